#pragma once

#include <string>
#include <string_view>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/bench/endpoint.h"
#include "muster/bench/response_parser.h"

namespace muster::bench {

struct Answer {
  int status = 0;
  std::string body;
};

/// Asks one thing after the other over one kept connection, waiting for each answer: for what comes
/// before the load. Not thread-safe.
class Client {
 public:
  /// Connects on the first call.
  Client(const Url& url, const Endpoint& endpoint, base::Duration timeout);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Sends a whole HTTP message. Blocks for at most the timeout between two pieces of the answer.
  /// Errors: UNAVAILABLE saying what happened to the connection.
  base::Result<Answer> Call(std::string_view message);
  base::Result<Answer> Get(std::string_view path);

 private:
  base::Status Connect();
  base::Status Exchange(std::string_view message);
  void Close();
  base::Error Failed(std::string_view doing, int error) const;

  const Url url_;
  const Endpoint endpoint_;
  const base::Duration timeout_;
  int fd_ = -1;
  ResponseParser parser_;
};

}  // namespace muster::bench
