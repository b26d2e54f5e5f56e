#include "muster/server/codec/internal/time_json.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>

namespace muster::server::codec::internal {
namespace {

/// `count` in units of 10^-digits.
void AppendDecimal(std::string& out, std::int64_t count, int digits) {
  if (count < 0) count = 0;
  std::int64_t unit = 1;
  for (int i = 0; i < digits; ++i) unit *= 10;
  std::array<char, 32> buffer;
  out.append(buffer.data(), std::to_chars(buffer.data(), buffer.end(), count / unit).ptr);
  std::int64_t rest = count % unit;
  if (rest == 0) return;
  int shown = digits;
  for (; rest % 10 == 0; rest /= 10) --shown;
  for (int i = shown; i-- > 0; rest /= 10) {
    buffer[static_cast<std::size_t>(i)] = static_cast<char>('0' + rest % 10);
  }
  out += '.';
  out.append(buffer.data(), static_cast<std::size_t>(shown));
}

/// The last `digits` decimal digits of `value`.
char* PutDigits(char* to, std::int64_t value, int digits) {
  for (int i = digits; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
  return to + digits;
}

}  // namespace

void AppendMillis(std::string& out, base::Duration d) { AppendDecimal(out, d.count(), 6); }
void AppendSeconds(std::string& out, base::Duration d) { AppendDecimal(out, d.count(), 9); }

void AppendIsoTime(std::string& out, base::WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::int64_t ms = std::chrono::floor<std::chrono::milliseconds>(time - day).count();
  std::array<char, 32> buffer;
  char* to = buffer.data();
  const auto put = [&to](std::int64_t value, int digits, char after) {
    to = PutDigits(to, value, digits);
    *to++ = after;
  };
  *to++ = '"';
  put(static_cast<int>(date.year()), 4, '-');
  put(static_cast<unsigned>(date.month()), 2, '-');
  put(static_cast<unsigned>(date.day()), 2, 'T');
  put(ms / 3'600'000, 2, ':');
  put(ms / 60'000 % 60, 2, ':');
  put(ms / 1'000 % 60, 2, '.');
  put(ms % 1'000, 3, 'Z');
  *to++ = '"';
  out.append(buffer.data(), static_cast<std::size_t>(to - buffer.data()));
}

}  // namespace muster::server::codec::internal
