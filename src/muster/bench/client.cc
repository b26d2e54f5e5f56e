#include "muster/bench/client.h"

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>
#include <unistd.h>

namespace muster::bench {

Client::Client(const Url& url, const Endpoint& endpoint, base::Duration timeout)
    : url_(url), endpoint_(endpoint), timeout_(timeout) {}

Client::~Client() { Close(); }

void Client::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

base::Error Client::Failed(std::string_view doing, int error) const {
  const bool timeout = error == EAGAIN || error == EWOULDBLOCK || error == EINPROGRESS;
  return base::Unavailable(
      std::string(doing) + " http://" + url_.authority() + " failed: " +
      (timeout
           ? "no answer for " + std::to_string(static_cast<int>(base::ToMillis(timeout_))) + " ms"
           : std::string(std::strerror(error))));
}

base::Status Client::Connect() {
  fd_ = socket(endpoint_.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return Failed("opening a socket for", errno);
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(timeout_).count();
  const timeval limit{.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&endpoint_.address), endpoint_.size) != 0) {
    const int error = errno;
    Close();
    return Failed("connecting to", error);
  }
  return {};
}

base::Status Client::Exchange(std::string_view message) {
  while (!message.empty()) {
    const ssize_t sent = send(fd_, message.data(), message.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    // A server that refuses a body early answers before it has read it all.
    if (sent < 0) break;
    message.remove_prefix(static_cast<std::size_t>(sent));
  }
  char bytes[16 * 1024];
  parser_.Reset();
  while (parser_.reading()) {
    const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("asking", errno);
    if (got == 0) parser_.End();
    parser_.Feed({bytes, static_cast<std::size_t>(got)});
  }
  if (parser_.broken()) {
    return parser_.begun() && parser_.status() == 0
               ? base::Unavailable("http://" + url_.authority() + ": expected an HTTP answer")
               : base::Unavailable("http://" + url_.authority() +
                                   " closed the connection before it answered");
  }
  return {};
}

base::Result<Answer> Client::Call(std::string_view message) {
  const bool kept = fd_ >= 0;
  if (!kept) MUSTER_RETURN_IF_ERROR(Connect());
  base::Status done = Exchange(message);
  if (!done) Close();
  if (!done && kept) {
    // The server may have closed a connection that was idle.
    MUSTER_RETURN_IF_ERROR(Connect());
    done = Exchange(message);
  }
  MUSTER_RETURN_IF_ERROR(done);
  if (!parser_.keep_alive()) Close();
  return Answer{parser_.status(), std::string(parser_.body())};
}

base::Result<Answer> Client::Get(std::string_view path) {
  return Call("GET " + std::string(path) + " HTTP/1.1\r\nHost: " + url_.authority() +
              "\r\nAccept: application/json\r\n\r\n");
}

}  // namespace muster::bench
