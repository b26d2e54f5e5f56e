#include "muster/server/codec/internal/time_json.h"

#include <gtest/gtest.h>

namespace muster::server::codec::internal {
namespace {

using namespace std::chrono_literals;

std::string Millis(base::Duration d) {
  std::string out;
  AppendMillis(out, d);
  return out;
}

std::string Iso(base::WallTime time) {
  std::string out;
  AppendIsoTime(out, time);
  return out;
}

TEST(Millis, AreExactToTheNanosecond) {
  EXPECT_EQ(Millis(0ns), "0");
  EXPECT_EQ(Millis(1ns), "0.000001");
  EXPECT_EQ(Millis(1500us), "1.5");
  EXPECT_EQ(Millis(12'345'678ns), "12.345678");
  EXPECT_EQ(Millis(1h), "3600000");
  EXPECT_EQ(Millis(-1ns), "0");
}

TEST(Seconds, AreExactToTheNanosecond) {
  std::string out;
  AppendSeconds(out, 1'050'000ns);
  EXPECT_EQ(out, "0.00105");
}

TEST(IsoTime, IsUtcWithMilliseconds) {
  EXPECT_EQ(Iso(base::WallTime(0us)), "\"1970-01-01T00:00:00.000Z\"");
  EXPECT_EQ(Iso(base::WallTime(1'767'323'045'678'999us)), "\"2026-01-02T03:04:05.678Z\"");
  EXPECT_EQ(Iso(base::WallTime(-1us)), "\"1969-12-31T23:59:59.999Z\"");
}

}  // namespace
}  // namespace muster::server::codec::internal
