#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <sys/epoll.h>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/bench/endpoint.h"
#include "muster/bench/load_loop.h"
#include "muster/bench/response_parser.h"

namespace muster::bench {

/// A LoadLoop's connections as TCP sockets on one edge-triggered epoll: a request costs one send
/// and one recv, and no memory is asked for once each connection has had its largest answer.
/// Messages are written as they are. Asio is not used: this measures the server that is, and must
/// not be the slower of the two. Used by one thread.
class EpollWire final : public Wire {
 public:
  /// `messages` are whole HTTP requests by input, borrowed.
  /// Errors: RESOURCE_EXHAUSTED where the machine has no epoll instance left.
  static base::Result<std::unique_ptr<EpollWire>> Create(const Endpoint& endpoint,
                                                         std::span<const std::string> messages);
  ~EpollWire() override;
  EpollWire(const EpollWire&) = delete;
  EpollWire& operator=(const EpollWire&) = delete;

  void Open(std::size_t connection) override;
  void Send(std::size_t connection, std::size_t input) override;
  void Close(std::size_t connection) override;

  /// Waits until `deadline` at the latest and tells `loop` what has come of its connections.
  void Poll(LoadLoop& loop, base::TimePoint deadline);

 private:
  struct Connection {
    int fd = -1;
    std::uint32_t generation = 0;  // events of a socket that was closed meanwhile are stale
    bool connecting = false;
    bool awaiting = false;    // an answer
    std::string_view unsent;  // of the message
    ResponseParser parser;
  };
  struct Lost {
    std::size_t connection;
    std::uint32_t generation;
    Failure failure;
  };
  EpollWire(const Endpoint& endpoint, std::span<const std::string> messages, int epoll);

  void Lose(std::size_t connection, Failure failure);
  void TellLost(LoadLoop& loop);
  void Handle(const epoll_event& event, LoadLoop& loop);
  bool Connected(std::size_t connection);
  void Write(std::size_t connection);
  void Read(std::size_t connection, LoadLoop& loop);
  void Answered(std::size_t connection, LoadLoop& loop);

  const Endpoint endpoint_;
  const std::span<const std::string> messages_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<Lost> lost_;  // told to the loop by the next Poll, never from within its own calls
  std::vector<epoll_event> events_;
  std::vector<char> bytes_;
};

}  // namespace muster::bench
