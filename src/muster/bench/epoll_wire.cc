#include "muster/bench/epoll_wire.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include <utility>

namespace muster::bench {
namespace {

Failure FailureOf(int error) {
  switch (error) {
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
      return Failure::kReset;
    case ETIMEDOUT:
      return Failure::kTimeout;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
      return Failure::kLocal;
    default:
      return Failure::kRefused;
  }
}

/// Waits until a time that is nanoseconds away; older kernels and sandboxes know milliseconds only,
/// there the last of them is spent asking again.
int Wait(int epoll, std::vector<epoll_event>& events, base::Duration time) {
  const auto ns = std::max<std::int64_t>(time.count(), 0);
  const int size = static_cast<int>(events.size());
  static std::atomic<bool> precise{true};
  if (precise.load(std::memory_order_relaxed)) {
    const timespec limit{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
    const int count = epoll_pwait2(epoll, events.data(), size, &limit, nullptr);
    if (count >= 0 || errno != ENOSYS) return count;
    precise.store(false, std::memory_order_relaxed);
  }
  return epoll_wait(epoll, events.data(), size, static_cast<int>(ns / 1'000'000));
}

}  // namespace

base::Result<std::unique_ptr<EpollWire>> EpollWire::Create(const Endpoint& endpoint,
                                                           std::span<const std::string> messages) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) {
    return base::ResourceExhausted(std::string("epoll_create1: ") + std::strerror(errno));
  }
  return std::unique_ptr<EpollWire>(new EpollWire(endpoint, messages, epoll));
}

EpollWire::EpollWire(const Endpoint& endpoint, std::span<const std::string> messages, int epoll)
    : endpoint_(endpoint), messages_(messages), epoll_(epoll), events_(256), bytes_(256 * 1024) {}

EpollWire::~EpollWire() {
  for (std::size_t i = 0; i < connections_.size(); ++i) Close(i);
  close(epoll_);
}

void EpollWire::Open(std::size_t connection) {
  if (connection >= connections_.size()) connections_.resize(connection + 1);
  Connection& c = connections_[connection];
  c.parser.Reset();
  c.awaiting = false;
  c.fd = socket(endpoint_.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c.fd < 0) return Lose(connection, Failure::kLocal);
  const int on = 1;
  setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = static_cast<std::uint64_t>(c.generation) << 32 | connection;
  c.connecting = true;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event) != 0) return Lose(connection, Failure::kLocal);
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint_.address);
  // A connection that is made at once is reported as writable all the same.
  if (connect(c.fd, address, endpoint_.size) != 0 && errno != EINPROGRESS) {
    Lose(connection, FailureOf(errno));
  }
}

void EpollWire::Close(std::size_t connection) {
  Connection& c = connections_[connection];
  if (c.fd < 0) return;
  close(std::exchange(c.fd, -1));
  ++c.generation;
  c.connecting = c.awaiting = false;
}

void EpollWire::Lose(std::size_t connection, Failure failure) {
  Close(connection);
  lost_.push_back({connection, connections_[connection].generation, failure});
}

void EpollWire::TellLost(LoadLoop& loop) {
  // What the loop does upon it may lose others; those have their turn too.
  for (std::size_t i = 0; i < lost_.size(); ++i) {
    const Lost lost = lost_[i];
    const Connection& c = connections_[lost.connection];
    if (c.fd >= 0 || c.generation != lost.generation) continue;
    loop.OnFailure(lost.connection, lost.failure, base::RealClock().Now());
  }
  lost_.clear();
}

void EpollWire::Poll(LoadLoop& loop, base::TimePoint deadline) {
  base::Duration time = lost_.empty() ? deadline - base::RealClock().Now() : base::Duration(0);
  const int count = Wait(epoll_, events_, time);
  for (int i = 0; i < count; ++i) Handle(events_[static_cast<std::size_t>(i)], loop);
  TellLost(loop);
}

void EpollWire::Handle(const epoll_event& event, LoadLoop& loop) {
  const std::size_t connection = event.data.u64 & 0xffff'ffff;
  const Connection& c = connections_[connection];
  if (c.fd < 0 || c.generation != event.data.u64 >> 32) return;
  if (c.connecting) {
    if (!Connected(connection)) return;
    loop.OnOpened(connection, base::RealClock().Now());
  } else if ((event.events & EPOLLOUT) != 0 && !c.unsent.empty()) {
    Write(connection);
  }
  if ((event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 && c.fd >= 0) {
    Read(connection, loop);
  }
}

bool EpollWire::Connected(std::size_t connection) {
  Connection& c = connections_[connection];
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    Lose(connection, FailureOf(error));
    return false;
  }
  c.connecting = false;
  return true;
}

void EpollWire::Send(std::size_t connection, std::size_t input) {
  Connection& c = connections_[connection];
  c.unsent = messages_[input];
  c.awaiting = true;
  Write(connection);
}

void EpollWire::Write(std::size_t connection) {
  Connection& c = connections_[connection];
  while (!c.unsent.empty()) {
    const ssize_t sent = send(c.fd, c.unsent.data(), c.unsent.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      c.unsent.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    } else if (errno != EINTR) {
      return Lose(connection, FailureOf(errno));
    }
  }
}

void EpollWire::Read(std::size_t connection, LoadLoop& loop) {
  while (true) {
    // Found anew each time: the loop may open connections when it is told of an answer.
    Connection& c = connections_[connection];
    if (c.fd < 0 || c.connecting) return;
    const ssize_t got = recv(c.fd, bytes_.data(), bytes_.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got < 0) return Lose(connection, FailureOf(errno));
    if (got == 0) {
      c.parser.End();
      if (c.awaiting && !c.parser.reading() && !c.parser.broken())
        return Answered(connection, loop);
      return Lose(connection, Failure::kReset);
    }
    // Nobody asked, so this can only be a last word (408, 503) before the connection is closed.
    if (!c.awaiting) return Lose(connection, Failure::kReset);
    c.parser.Feed({bytes_.data(), static_cast<std::size_t>(got)});
    if (c.parser.broken()) return Lose(connection, Failure::kProtocol);
    const bool all = static_cast<std::size_t>(got) < bytes_.size();
    if (!c.parser.reading()) Answered(connection, loop);
    // A short read leaves nothing behind; what comes later is an edge of its own.
    if (all) return;
  }
}

void EpollWire::Answered(std::size_t connection, LoadLoop& loop) {
  // Taken out while the loop is told: it may send the next request, or grow connections_.
  ResponseParser parser = std::move(connections_[connection].parser);
  connections_[connection].awaiting = false;
  // A server that answers before it has all of a request need not be sent the rest, but then
  // nothing can follow on that connection.
  const bool sent = std::exchange(connections_[connection].unsent, {}).empty();
  loop.OnAnswer(connection, parser.status(), sent && parser.keep_alive(), parser.body(),
                base::RealClock().Now());
  parser.Reset();
  connections_[connection].parser = std::move(parser);
}

}  // namespace muster::bench
