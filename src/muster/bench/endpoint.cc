#include "muster/bench/endpoint.h"

#include <charconv>
#include <cstring>
#include <netdb.h>

#include "muster/base/text.h"

namespace muster::bench {
namespace {

base::Error WrongUrl(std::string_view text) {
  return base::InvalidArgument("expected a URL such as http://localhost:8000, got `" +
                               base::Printable(text) + "`");
}

bool IsPort(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port < 65536;
}

}  // namespace

std::string Url::authority() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

base::Result<Url> ParseUrl(std::string_view text) {
  std::string_view rest = text;
  if (const auto scheme = rest.find("://"); scheme != std::string_view::npos) {
    if (rest.substr(0, scheme) != "http") return WrongUrl(text);
    rest.remove_prefix(scheme + 3);
  }
  Url url;
  const auto slash = std::min(rest.find('/'), rest.size());
  url.path = rest.substr(slash) == "/" ? "" : rest.substr(slash);
  std::string_view authority = rest.substr(0, slash);
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return WrongUrl(text);
    url.host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
  } else {
    const auto colon = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, colon);
    authority.remove_prefix(colon);
  }
  if (authority.starts_with(':')) {
    url.port = authority.substr(1);
  } else if (!authority.empty()) {
    return WrongUrl(text);
  }
  if (url.host.empty() || !IsPort(url.port)) return WrongUrl(text);
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ') return WrongUrl(text);
  }
  return url;
}

base::Result<Endpoint> Resolve(const Url& url) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found);
  if (error != 0) {
    return base::Unavailable("host `" + base::Printable(url.host) +
                             "` is not known: " + gai_strerror(error));
  }
  // A server on this machine mostly listens on IPv4 alone, where `localhost` may name both.
  const addrinfo* best = found;
  for (const addrinfo* a = found; a != nullptr && best->ai_family != AF_INET; a = a->ai_next) {
    if (a->ai_family == AF_INET) best = a;
  }
  Endpoint endpoint;
  endpoint.size = best->ai_addrlen;
  std::memcpy(&endpoint.address, best->ai_addr, best->ai_addrlen);
  freeaddrinfo(found);
  return endpoint;
}

}  // namespace muster::bench
