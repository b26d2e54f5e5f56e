#include "muster/bench/settings.h"

namespace muster::bench {
namespace {

base::Status Expect(bool holds, const std::string& flag, const std::string& expected,
                    const std::string& got) {
  if (holds) return {};
  return base::InvalidArgument(flag + ": expected " + expected + ", got " + got);
}

std::string Seconds(base::Duration d) { return std::to_string(base::ToMillis(d) / 1000) + " s"; }

}  // namespace

base::Status Settings::Validate() const {
  const auto n = [](auto value) { return std::to_string(value); };
  const std::size_t most = 60'000;  // about what one address has ports for
  MUSTER_RETURN_IF_ERROR(Expect(connections >= 1 && connections <= most, "--connections",
                                "1 to 60000", n(connections)));
  MUSTER_RETURN_IF_ERROR(
      Expect(max_connections <= most, "--max-connections", "at most 60000", n(max_connections)));
  MUSTER_RETURN_IF_ERROR(Expect(burst <= most, "--connect-burst", "at most 60000", n(burst)));
  MUSTER_RETURN_IF_ERROR(
      Expect(duration > base::Duration(0), "--duration", "more than 0 s", Seconds(duration)));
  MUSTER_RETURN_IF_ERROR(
      Expect(warm_up >= base::Duration(0), "--warm-up", "at least 0 s", Seconds(warm_up)));
  MUSTER_RETURN_IF_ERROR(
      Expect(threads >= 1 && threads <= 256, "--threads", "1 to 256", n(threads)));
  MUSTER_RETURN_IF_ERROR(Expect(static_cast<std::size_t>(threads) <= connections, "--threads",
                                "no more than the " + n(connections) + " connections", n(threads)));
  MUSTER_RETURN_IF_ERROR(Expect(repeats >= 1, "--repeats", "at least 1", n(repeats)));
  MUSTER_RETURN_IF_ERROR(Expect(request.rows >= 1, "--rows", "at least 1", n(request.rows)));
  MUSTER_RETURN_IF_ERROR(Expect(request.inputs >= 1, "--inputs", "at least 1", "0"));
  MUSTER_RETURN_IF_ERROR(
      Expect(!open_loop() || rate > 0, "--rate", "a number of requests/s above 0", n(rate)));
  MUSTER_RETURN_IF_ERROR(
      Expect(check_share >= 0 && check_share <= 1, "--check-share", "0 to 1", n(check_share)));
  MUSTER_RETURN_IF_ERROR(
      Expect(slice >= base::Duration(0) && (slice.count() == 0 || duration / slice < 10'000),
             "--series-ms", "at most 10000 stretches", Seconds(slice)));
  MUSTER_RETURN_IF_ERROR(Expect(body.empty() || data.empty(), "--body", "no --data with it", "it"));
  MUSTER_RETURN_IF_ERROR(Expect(request.content_type.find_first_of("\r\n") == std::string::npos,
                                "--content-type", "a media type such as image/jpeg",
                                "a line break"));
  for (const Phase& phase : phases) {
    MUSTER_RETURN_IF_ERROR(Expect(phase.rate > 0 && phase.duration > base::Duration(0), "--phases",
                                  "rates and seconds above 0", n(phase.rate)));
  }
  return {};
}

}  // namespace muster::bench
