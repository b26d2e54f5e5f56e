#include "muster/server/codec/internal/time_json.h"

#include <charconv>
#include <chrono>
#include <cstdint>

namespace muster::server::codec::internal {
namespace {

/// More than any number or time here takes; they are written in place and the rest is cut off.
constexpr std::size_t kRoom = 40;

/// `count` in units of 10^-kDigits; a template so that the divisions are by constants.
template <int kDigits>
void AppendDecimal(std::string& out, std::int64_t count) {
  constexpr std::int64_t kUnit = kDigits == 9 ? 1'000'000'000 : 1'000'000;
  static_assert(kDigits == 9 || kDigits == 6);
  if (count < 0) count = 0;
  const std::size_t before = out.size();
  out.resize(before + kRoom);
  char* to = std::to_chars(out.data() + before, out.data() + out.size(), count / kUnit).ptr;
  std::int64_t rest = count % kUnit;
  if (rest != 0) {
    int shown = kDigits;
    for (; rest % 10 == 0; rest /= 10) --shown;
    *to = '.';
    for (int i = shown; i > 0; --i, rest /= 10) to[i] = static_cast<char>('0' + rest % 10);
    to += 1 + shown;
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
}

/// The last `digits` decimal digits of `value`.
char* PutDigits(char* to, std::int64_t value, int digits) {
  for (int i = digits; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
  return to + digits;
}

}  // namespace

void AppendMillis(std::string& out, base::Duration d) { AppendDecimal<6>(out, d.count()); }
void AppendSeconds(std::string& out, base::Duration d) { AppendDecimal<9>(out, d.count()); }

void AppendIsoTime(std::string& out, base::WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::int64_t ms = std::chrono::floor<std::chrono::milliseconds>(time - day).count();
  const std::size_t before = out.size();
  out.resize(before + kRoom);
  char* to = out.data() + before;
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
  out.resize(static_cast<std::size_t>(to - out.data()));
}

}  // namespace muster::server::codec::internal
