#include "muster/server/http/server.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "muster/base/ids.h"
#include "muster/base/mutex.h"
#include "muster/server/http/asio_loop.h"
#include "muster/server/http/connection_set.h"
#include "muster/server/http/response.h"
#include "muster/server/http/tcp_listener.h"
#include "muster/server/http/tcp_transport.h"
#include "muster/telemetry/log.h"

namespace muster::server::http {
namespace {

std::size_t DescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 131'072;
  return limit.rlim_cur;
}

// Some descriptors stay for the other listener, models and files, whatever was asked for: without
// any left not even a probe would be answered.
std::size_t ConnectionCap(int asked) {
  constexpr std::size_t kReserve = 256;
  const std::size_t limit = DescriptorLimit();
  if (asked <= 0) return limit / 2;
  const std::size_t most = limit - std::min(kReserve, limit / 2);
  const auto wanted = static_cast<std::size_t>(asked);
  if (wanted <= most) return wanted;
  telemetry::Log(telemetry::LogLevel::kWarning,
                 "max_connections is more than the descriptor limit allows",
                 {{"asked", std::to_string(wanted)}, {"used", std::to_string(most)}});
  return most;
}

// Says why, as well as a socket that nobody will wait for can, and closes.
void RefuseConnection(int fd, std::string_view date) {
  base::Error error =
      base::Unavailable("the server has too many connections", "TOO_MANY_CONNECTIONS");
  std::string body;
  AppendErrorBody(body, error, base::NewRequestId());
  std::string retry;
  AppendRetryAfter(retry, error, 503);
  std::string answer;
  AppendHead(answer, {.status = 503,
                      .content_type = kJson,
                      .content_length = body.size(),
                      .date = date,
                      .connection = "close",
                      .more = retry});
  answer += body;
  char request[4096];
  // Unread bytes would turn the close into a reset and the answer to nothing.
  (void)!::recv(fd, request, sizeof request, MSG_DONTWAIT);
  (void)!::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(fd, SHUT_WR);
  ::close(fd);
}

/// One I/O thread. The set is made and used on the loop.
struct Worker {
  Worker(base::Clock& clock, ServerContext& context) : loop(clock), set(loop, context) {}
  AsioLoop loop;
  ConnectionSet set;
  std::thread thread;
};

class Server final : public HttpServer {
 public:
  Server(const HttpOptions& options, RouteTable routes, base::Clock& clock)
      : clock_(clock),
        context_(options, std::move(routes), clock),
        max_connections_(ConnectionCap(options.max_connections)) {
    for (int i = 0; i < options.threads; ++i) {
      workers_.push_back(std::make_unique<Worker>(clock, context_));
    }
  }
  ~Server() override { Drain(std::chrono::milliseconds(0)); }

  base::Status Start();
  std::uint16_t port() const override { return port_; }
  HttpStats stats() const override;
  void Drain(std::chrono::milliseconds limit) override;

 private:
  void OnAccepted(int fd);
  void BeginDrain();
  void AwaitEmpty();
  void Join();

  base::Clock& clock_;
  ServerContext context_;
  const std::size_t max_connections_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<TcpListener> listener_;
  std::uint16_t port_ = 0;
  std::size_t next_worker_ = 0;
  DateText date_{clock_};  // of the accepting loop
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> refused_{0};

  base::Mutex mutex_;
  base::CondVar changed_;
  base::TimePoint drain_until_ MUSTER_GUARDED_BY(mutex_) = base::kNever;
  std::size_t busy_workers_ MUSTER_GUARDED_BY(mutex_) = 0;
  bool draining_ MUSTER_GUARDED_BY(mutex_) = false;
  bool drained_ MUSTER_GUARDED_BY(mutex_) = false;
};

base::Status Server::Start() {
  const HttpOptions& options = context_.options;
  MUSTER_ASSIGN_OR_RETURN(listener_,
                          TcpListener::Open(workers_[0]->loop, options.host, options.port));
  port_ = listener_->port();
  listener_->Start({[this](int fd) { OnAccepted(fd); }, [this] { ++refused_; }});
  for (auto& worker : workers_) {
    worker->thread = std::thread([&loop = worker->loop] { loop.Run(); });
  }
  return {};
}

void Server::OnAccepted(int fd) {
  if (context_.open_connections.load(std::memory_order_relaxed) >= max_connections_) {
    ++refused_;
    return RefuseConnection(fd, date_.At(clock_.Now()));
  }
  ++accepted_;
  context_.open_connections.fetch_add(1, std::memory_order_relaxed);
  Worker& worker = *workers_[next_worker_];
  next_worker_ = (next_worker_ + 1) % workers_.size();
  worker.loop.Post([&worker, fd] { worker.set.Add(MakeTcpTransport(worker.loop, fd)); });
}

HttpStats Server::stats() const {
  HttpStats stats;
  stats.connections_accepted = accepted_;
  stats.connections_refused = refused_;
  stats.connections_open = context_.open_connections;
  for (const auto& worker : workers_) worker->set.AddTo(stats);
  return stats;
}

void Server::Drain(std::chrono::milliseconds limit) {
  {
    base::MutexLock lock(mutex_);
    drain_until_ = std::min<base::TimePoint>(drain_until_, clock_.Now() + limit);
    changed_.notify_all();
    if (std::exchange(draining_, true)) {
      while (!drained_) clock_.WaitUntil(mutex_, changed_, base::kNever);
      return;
    }
    busy_workers_ = workers_.size();
  }
  if (listener_ != nullptr) {  // else never started
    BeginDrain();
    AwaitEmpty();
    Join();
  }
  const base::MutexLock lock(mutex_);
  drained_ = true;
  changed_.notify_all();
}

void Server::BeginDrain() {
  workers_[0]->loop.Post([this] {
    listener_->AcceptRestAndClose();
    // Behind the Adds that this has just posted.
    for (auto& worker : workers_) {
      worker->loop.Post([this, &set = worker->set] {
        set.Drain([this] {
          const base::MutexLock done(mutex_);
          --busy_workers_;
          changed_.notify_all();
        });
      });
    }
  });
}

void Server::AwaitEmpty() {
  {
    base::MutexLock lock(mutex_);
    while (busy_workers_ > 0 && clock_.Now() < drain_until_) {
      clock_.WaitUntil(mutex_, changed_, drain_until_);
    }
  }
  for (auto& worker : workers_) {
    worker->loop.Post([&set = worker->set] { set.CloseAll(); });
  }
  base::MutexLock lock(mutex_);
  while (busy_workers_ > 0) clock_.WaitUntil(mutex_, changed_, base::kNever);
}

void Server::Join() {
  for (auto& worker : workers_) {
    worker->loop.Stop();
    if (worker->thread.joinable()) worker->thread.join();
  }
  listener_.reset();
}

}  // namespace

base::Status HttpOptions::Validate() const {
  const auto refuse = [](std::string_view what) {
    return base::InvalidArgument("http: " + std::string(what), "OPTIONS");
  };
  using std::chrono::milliseconds;
  if (host.empty()) return refuse("host is empty");
  if (threads < 1 || threads > 1024) return refuse("threads must be 1 to 1024");
  if (max_header_bytes < 256 || max_header_bytes > (1u << 20)) {
    return refuse("max_header_bytes must be 256 to 1048576");
  }
  if (max_url_bytes < 16 || max_url_bytes > (1u << 20)) {
    return refuse("max_url_bytes must be 16 to 1048576");
  }
  if (max_header_fields < 1) return refuse("max_header_fields must be at least 1");
  if (max_connections < 0) return refuse("max_connections must not be negative");
  if (max_receiving_bytes < max_body_bytes) {
    return refuse("max_receiving_bytes must not be less than max_body_bytes");
  }
  if (std::min({header_timeout, idle_timeout, write_timeout}) <= milliseconds(0)) {
    return refuse("time-outs must be longer than 0");
  }
  return {};
}

base::Result<std::unique_ptr<HttpServer>> HttpServer::Listen(const HttpOptions& options,
                                                             RouteTable routes,
                                                             base::Clock& clock) {
  MUSTER_RETURN_IF_ERROR(options.Validate());
  auto server = std::make_unique<Server>(options, std::move(routes), clock);
  MUSTER_RETURN_IF_ERROR(server->Start());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace muster::server::http
