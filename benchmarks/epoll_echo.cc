// The measure for the HTTP server: the least that can answer a POST. One thread, bare epoll, no
// checks; reads, finds the end of the request by Content-Length, answers a constant of BODY bytes.
//
//   epoll_echo PORT BODY

#include <arpa/inet.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

struct Client {
  int fd = -1;
  std::size_t size = 0;
  std::array<char, 16384> buffer;
};

int ListenOn(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, 4096) != 0) {
    std::perror("listen");
    std::exit(1);
  }
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

// How long the first request in `bytes` is; 0 while it is incomplete.
std::size_t RequestSize(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const std::size_t field = bytes.find("Content-Length: ");
  const std::size_t body =
      field < end ? std::strtoul(bytes.data() + field + 16, nullptr, 10) : std::size_t{0};
  return bytes.size() >= end + 4 + body ? end + 4 + body : 0;
}

// False once the client has gone.
bool Serve(Client& client, std::string_view answer) {
  const ssize_t n =
      recv(client.fd, client.buffer.data() + client.size, client.buffer.size() - client.size, 0);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  client.size += static_cast<std::size_t>(n);
  std::string_view rest(client.buffer.data(), client.size);
  while (const std::size_t size = RequestSize(rest)) {
    if (send(client.fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return false;
    rest.remove_prefix(size);
  }
  std::copy(rest.begin(), rest.end(), client.buffer.begin());
  client.size = rest.size();
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: epoll_echo PORT BODY_BYTES\n");
    return 2;
  }
  const int listener = ListenOn(static_cast<std::uint16_t>(std::atoi(argv[1])));
  const std::string body(std::strtoul(argv[2], nullptr, 10), 'x');
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n" + body;
  const int poll = epoll_create1(0);
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  std::array<epoll_event, 256> events;
  while (true) {
    const int n = epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < n; ++i) {
      auto* client = static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (client == nullptr) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (fd < 0) continue;
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        client = new Client;
        client->fd = fd;
        epoll_event added{.events = EPOLLIN, .data = {.ptr = client}};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &added);
      } else if (!Serve(*client, answer)) {
        close(client->fd);
        delete client;
      }
    }
  }
}
