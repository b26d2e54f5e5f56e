#include "muster/bench/arrivals.h"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "muster/bench/random.h"

namespace muster::bench {
namespace {

constexpr std::array kNames = {std::pair{ArrivalKind::kConstant, std::string_view("constant")},
                               std::pair{ArrivalKind::kPoisson, std::string_view("poisson")},
                               std::pair{ArrivalKind::kBursty, std::string_view("bursty")}};

/// A time between two requests, of mean 1.
double Gap(ArrivalKind kind, Random& random) {
  constexpr double kShape = 1 / (kBurstyCv * kBurstyCv);
  switch (kind) {
    case ArrivalKind::kConstant:
      return 1;
    case ArrivalKind::kPoisson:
      return random.Exponential();
    case ArrivalKind::kBursty:
      return random.Gamma(kShape) / kShape;
  }
  return 1;
}

}  // namespace

std::string_view ArrivalKindName(ArrivalKind kind) {
  for (const auto& [known, name] : kNames) {
    if (known == kind) return name;
  }
  return "?";
}

std::optional<ArrivalKind> ParseArrivalKind(std::string_view name) {
  for (const auto& [kind, known] : kNames) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

base::Result<std::vector<base::Duration>> DrawArrivals(const ArrivalOptions& options) {
  const double seconds = std::chrono::duration<double>(options.duration).count();
  if (!(options.rate > 0) || !std::isfinite(options.rate)) {
    return base::InvalidArgument("expected a rate above 0 requests/s, got " +
                                 std::to_string(options.rate));
  }
  if (options.rate * seconds > kMostArrivals) {
    return base::InvalidArgument("a rate of " + std::to_string(options.rate) + " requests/s for " +
                                 std::to_string(seconds) + " s is more than 50 million requests");
  }
  std::vector<base::Duration> arrivals;
  arrivals.reserve(static_cast<std::size_t>(options.rate * seconds * 1.1) + 16);
  Random random(options.seed);
  // Summed in seconds and not in rounded nanoseconds, so that the rate is kept to the end.
  for (double at = Gap(options.kind, random) / options.rate; at < seconds;
       at += Gap(options.kind, random) / options.rate) {
    arrivals.emplace_back(static_cast<std::int64_t>(at * 1e9));
  }
  return arrivals;
}

base::Result<std::vector<base::Duration>> DrawPhases(const ArrivalOptions& options,
                                                     std::span<const Phase> phases) {
  std::vector<base::Duration> all;
  base::Duration begin{0};
  for (std::size_t i = 0; i < phases.size(); ++i) {
    ArrivalOptions phase = options;
    phase.rate = phases[i].rate;
    phase.duration = phases[i].duration;
    phase.seed = options.seed + i * 0x9e3779b97f4a7c15u;
    MUSTER_ASSIGN_OR_RETURN(const auto arrivals, DrawArrivals(phase));
    if (static_cast<double>(all.size() + arrivals.size()) > kMostArrivals) {
      return base::InvalidArgument("the phases hold more than 50 million requests");
    }
    for (const base::Duration at : arrivals) all.push_back(begin + at);
    begin += phase.duration;
  }
  return all;
}

}  // namespace muster::bench
