#include "muster/bench/tally.h"

#include <algorithm>
#include <numeric>

namespace muster::bench {

std::string_view FailureName(Failure failure) {
  switch (failure) {
    case Failure::kRefused:
      return "refused";
    case Failure::kReset:
      return "reset";
    case Failure::kTimeout:
      return "timeout";
    case Failure::kProtocol:
      return "no_http";
    case Failure::kUnsent:
      return "unsent";
    case Failure::kLocal:
      return "local";
  }
  return "?";
}

void SliceTotal::Add(const Slice& slice) {
  latency += slice.latency.Snapshot();
  requests += slice.requests;
  ok += slice.ok;
  good += slice.good;
}

void Total::Add(const Tally& tally) {
  latency += tally.latency.Snapshot();
  refused += tally.refused.Snapshot();
  expired += tally.expired.Snapshot();
  lag += tally.lag.Snapshot();
  connect += tally.connect.Snapshot();
  slices.resize(std::max(slices.size(), tally.slices.size()));
  for (std::size_t i = 0; i < tally.slices.size(); ++i) slices[i].Add(tally.slices[i]);
  for (std::size_t code = 0; code < tally.status.size(); ++code) {
    if (tally.status[code] > 0) status[static_cast<int>(code)] += tally.status[code];
  }
  for (std::size_t i = 0; i < kFailures; ++i) failures[i] += tally.failures[i];
  in_time += tally.in_time;
  good += tally.good;
  waited += tally.waited;
  reopened += tally.reopened;
  burst_attempted += tally.burst_attempted;
  burst_failed += tally.burst_failed;
  checked += tally.checked;
  wrong += tally.wrong;
  if (first_wrong.empty()) first_wrong = tally.first_wrong;
  if (tally.wall_seconds <= 0) return;
  busiest = std::max(busiest, tally.cpu_seconds / tally.wall_seconds);
  starved = std::max(starved, tally.starved_seconds / tally.wall_seconds);
}

std::uint64_t Total::failed() const {
  return std::accumulate(failures.begin(), failures.end(), std::uint64_t{0});
}

std::uint64_t Total::requests() const {
  std::uint64_t count = failed();
  for (const auto& [code, answers] : status) count += answers;
  return count;
}

}  // namespace muster::bench
