#include "muster/server/http/response.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "muster/server/codec/json_writer.h"

namespace muster::server::http {
namespace {

void AppendNumber(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

}  // namespace

std::string_view DateText::At(base::TimePoint now) {
  using std::chrono::floor;
  if (now >= good_until_) {
    static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const base::WallTime wall = clock_.WallNow();
    const auto second = floor<std::chrono::seconds>(wall);
    const auto day = floor<std::chrono::days>(second);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(second - day);
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                  kDays[std::chrono::weekday(day).c_encoding()], unsigned(date.day()),
                  kMonths[unsigned(date.month()) - 1], int(date.year()),
                  static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()));
    std::copy_n(text.data(), text_.size(), text_.data());
    good_until_ = now + (second + std::chrono::seconds(1) - wall);
  }
  return {text_.data(), text_.size()};
}

void AppendHead(std::string& out, const ResponseHead& head) {
  if (head.status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
  } else {
    out += "HTTP/1.1 ";
    AppendNumber(out, static_cast<std::uint64_t>(head.status));
    out += ' ';
    out += ReasonPhrase(head.status);
    out += "\r\n";
  }
  if (!head.content_type.empty()) AppendHeaderLine(out, "Content-Type", head.content_type);
  if (head.status != 204 && head.status != 304) {  // which have no body (RFC 9110 8.6)
    out += "Content-Length: ";
    AppendNumber(out, head.content_length);
    out += "\r\n";
  }
  out += "Date: ";
  out += head.date;
  out += "\r\n";
  if (!head.connection.empty()) AppendHeaderLine(out, "Connection", head.connection);
  out += head.more;
  out += "\r\n";
}

void AppendHeaderLine(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  const std::size_t begin = out.size();
  out += value;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }, '?');
  out += "\r\n";
}

void AppendErrorBody(std::string& out, const base::Error& error, std::string_view request_id) {
  out += "{\"error\":";
  codec::AppendJsonString(out, error.message);
  out += ",\"detail\":";
  codec::AppendJsonString(out, error.message);
  out += ",\"code\":";
  codec::AppendJsonString(out, error.Reason());
  out += ",\"request_id\":";
  codec::AppendJsonString(out, request_id);
  out += '}';
}

void AppendRetryAfter(std::string& out, const base::Error& error, int status) {
  using namespace std::chrono_literals;
  if (error.retry_after <= 0ms && status != 503 && status != 429) return;
  const auto wait = error.retry_after > 0ms ? error.retry_after : std::chrono::milliseconds(1s);
  const auto seconds =
      std::max<std::chrono::seconds>(1s, std::chrono::ceil<std::chrono::seconds>(wait));
  out += "Retry-After: ";
  AppendNumber(out, static_cast<std::uint64_t>(seconds.count()));
  out += "\r\nRetry-After-Ms: ";
  AppendNumber(out, static_cast<std::uint64_t>(wait.count()));
  out += "\r\n";
}

}  // namespace muster::server::http
