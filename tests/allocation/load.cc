#include "tests/allocation/load.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include "muster/base/result.h"

namespace muster {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";

int Connect(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int no_delay = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
  MUSTER_CHECK(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
               "cannot connect to the server under test");
  return fd;
}

/// Bytes of the first answer in `text`; 0 while it is not all there.
std::size_t AnswerSize(std::string_view text) {
  const std::size_t head = text.find(kHeadEnd);
  if (head == std::string_view::npos) return 0;
  constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t at = text.substr(0, head).find(kLength);
  MUSTER_CHECK(at != std::string_view::npos, "an answer without its length");
  std::size_t body = 0;
  std::from_chars(text.data() + at + kLength.size(), text.data() + head, body);
  const std::size_t size = head + kHeadEnd.size() + body;
  return text.size() >= size ? size : 0;
}

}  // namespace

Load::Load(std::uint16_t port, std::size_t connections, std::string request)
    : request_(std::move(request)), clients_(connections) {
  for (Client& client : clients_) client.fd = Connect(port);
}

Load::~Load() {
  for (const Client& client : clients_) ::close(client.fd);
}

std::size_t Load::Run(std::size_t requests, const std::string& expected) {
  const std::size_t ahead = std::min(requests, clients_.size());
  for (std::size_t i = 0; i < ahead; ++i) Send(clients_[i]);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < requests; ++i) {
    Client& client = clients_[i % clients_.size()];
    const std::string answer = Receive(client);
    if (i + ahead < requests) Send(client);
    const bool right = answer.starts_with("HTTP/1.1 200 ") && answer.find(expected) != answer.npos;
    if (!right) ++wrong;
  }
  return wrong;
}

void Load::Send(const Client& client) const {
  const ssize_t sent = ::send(client.fd, request_.data(), request_.size(), MSG_NOSIGNAL);
  MUSTER_CHECK(sent == static_cast<ssize_t>(request_.size()), "the server has gone");
}

std::string Load::Receive(Client& client) {
  while (true) {
    if (const std::size_t size = AnswerSize(client.received); size > 0) {
      std::string answer = client.received.substr(0, size);
      client.received.erase(0, size);
      return answer;
    }
    char bytes[4096];
    const ssize_t n = ::recv(client.fd, bytes, sizeof bytes, 0);
    MUSTER_CHECK(n > 0, "the server has closed a connection");
    client.received.append(bytes, static_cast<std::size_t>(n));
  }
}

std::string PostJson(const std::string& path, const std::string& body) {
  return "POST " + path +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace muster
