#include "muster/server/http/response.h"

#include <chrono>
#include <gtest/gtest.h>

namespace muster::server::http {
namespace {

using namespace std::chrono_literals;

TEST(DateText, IsAnHttpDateThatChangesWithTheSecond) {
  base::FakeClock clock(base::WallTime(784'111'777s + 250ms));
  DateText date(clock);
  EXPECT_EQ(date.At(clock.Now()), "Sun, 06 Nov 1994 08:49:37 GMT");  // RFC 9110 5.6.7's example
  clock.Advance(749ms);
  EXPECT_EQ(date.At(clock.Now()), "Sun, 06 Nov 1994 08:49:37 GMT");
  clock.Advance(1ms);
  EXPECT_EQ(date.At(clock.Now()), "Sun, 06 Nov 1994 08:49:38 GMT");
}

TEST(ResponseHead, HasLengthAndDateAlways) {
  std::string out;
  AppendHead(out, {.status = 200, .content_type = "text/plain", .content_length = 0, .date = "D"});
  EXPECT_EQ(out,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nDate: D\r\n\r\n");
  out.clear();
  AppendHead(out, {.status = 204, .date = "D", .connection = "close", .more = "A: b\r\n"});
  EXPECT_EQ(out, "HTTP/1.1 204 No Content\r\nDate: D\r\nConnection: close\r\nA: b\r\n\r\n");
}

TEST(ResponseHead, HeaderValuesCannotEndTheLine) {
  std::string out;
  AppendHeaderLine(out, "A", "b\r\nEvil: 1\x7f");
  EXPECT_EQ(out, "A: b??Evil: 1?\r\n");
}

TEST(RetryAfter, RoundsUpAndIsNeverZero) {
  const auto text = [](std::chrono::milliseconds wait, int status) {
    base::Error error = base::Unavailable("x");
    error.retry_after = wait;
    std::string out;
    AppendRetryAfter(out, error, status);
    return out;
  };
  EXPECT_EQ(text(0ms, 503), "Retry-After: 1\r\nRetry-After-Ms: 1000\r\n");
  EXPECT_EQ(text(20ms, 503), "Retry-After: 1\r\nRetry-After-Ms: 20\r\n");
  EXPECT_EQ(text(1001ms, 503), "Retry-After: 2\r\nRetry-After-Ms: 1001\r\n");
  EXPECT_EQ(text(0ms, 400), "");
  EXPECT_EQ(text(5s, 409), "Retry-After: 5\r\nRetry-After-Ms: 5000\r\n");
}

}  // namespace
}  // namespace muster::server::http
