#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "muster/server/http/ascii.h"
#include "muster/server/http/exchange.h"

namespace muster::server::http {

/// An Exchange without a connection, to call handlers with in tests. Its answer is what was sent.
class FakeExchange : public Exchange {
 public:
  FakeExchange(base::Loop& loop, Method method, std::string path, std::string body = {})
      : loop_(loop), method_(method), path_(std::move(path)), body_(std::move(body)) {
    body_bytes_ = body_.size();
    body_.append(kBodyPadding, '\0');
    received_at_ = loop.Now();
  }

  std::map<std::string, std::string, std::less<>> parameters, queries, headers;
  base::CancelSource cancel;
  std::optional<int> status;
  std::optional<base::Error> error;
  std::map<std::string, std::string> answer_headers;

  Method method() const override { return method_; }
  std::string_view path() const override { return path_; }
  std::string_view path_parameter(std::string_view name) const override {
    return Get(parameters, name);
  }
  std::string_view query(std::string_view name) const override { return Get(queries, name); }
  std::vector<std::string_view> query_names() const override {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : queries) names.push_back(name);
    return names;
  }
  std::string_view header(std::string_view name) const override {
    for (const auto& [key, value] : headers) {
      if (EqualsIgnoringCase(key, name)) return value;
    }
    return {};
  }
  std::span<const std::byte> body() const override {
    return std::as_bytes(std::span(body_.data(), body_bytes_));
  }
  TakenBody TakeBody() override {
    const std::size_t bytes = std::exchange(body_bytes_, 0);
    const auto padded = std::as_bytes(std::span(body_.data(), bytes + kBodyPadding));
    auto memory = std::make_shared<std::vector<std::byte>>(padded.begin(), padded.end());
    return {memory, std::span(*memory).first(bytes)};
  }
  std::string_view request_id() const override { return "req_test"; }
  bool peer_is_loopback() const override { return true; }
  base::TimePoint received_at() const override { return received_at_; }
  base::CancelToken cancelled() const override { return cancel.get_token(); }
  base::Loop& loop() override { return loop_; }
  std::string& out() override { return out_; }
  void AddHeader(std::string_view name, std::string_view value) override {
    answer_headers.emplace(name, value);
  }
  void Send(int code, std::string_view) override {
    MUSTER_CHECK(!status, "an exchange is answered once");
    status = code;
  }
  void SendError(const base::Error& e) override {
    error = e;
    Send(HttpStatus(e), kJson);
  }

 private:
  static std::string_view Get(const std::map<std::string, std::string, std::less<>>& map,
                              std::string_view name) {
    const auto it = map.find(name);
    return it == map.end() ? std::string_view() : std::string_view(it->second);
  }

  base::Loop& loop_;
  Method method_;
  std::string path_;
  std::string body_;
  std::size_t body_bytes_ = 0;
  base::TimePoint received_at_;
  std::string out_;
};

}  // namespace muster::server::http
