#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace muster {

/// Keep-alive connections to one server of this machine, each with one request on its way at any
/// time while Run runs. Blocks; for one thread.
class Load {
 public:
  /// Errors abort: a test without its server has nothing to tell.
  Load(std::uint16_t port, std::size_t connections, std::string request);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// Sends `requests` and takes their answers. Returns how many were not a 200 whose body holds
  /// `expected`.
  std::size_t Run(std::size_t requests, const std::string& expected);

 private:
  struct Client {
    int fd = -1;
    std::string received;
  };
  void Send(const Client& client) const;
  /// The next whole answer, head and body.
  static std::string Receive(Client& client);

  const std::string request_;
  std::vector<Client> clients_;
};

/// A POST of JSON text.
std::string PostJson(const std::string& path, const std::string& body);

}  // namespace muster
