#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"

namespace muster::bench {

/// How the times between requests of an open loop are distributed.
enum class ArrivalKind : std::uint8_t {
  kConstant,  ///< all the same
  kPoisson,   ///< exponential: many independent clients
  kBursty,    ///< gamma with a coefficient of variation of kBurstyCv: long gaps between bursts
};

inline constexpr double kBurstyCv = 4;

/// "constant", "poisson", "bursty".
std::string_view ArrivalKindName(ArrivalKind kind);
std::optional<ArrivalKind> ParseArrivalKind(std::string_view name);

struct ArrivalOptions {
  ArrivalKind kind = ArrivalKind::kPoisson;
  double rate = 100;  ///< requests per second, > 0
  base::Duration duration = std::chrono::seconds(10);
  std::uint64_t seed = 1;
};

/// More are refused: they are drawn beforehand, 8 bytes each.
inline constexpr double kMostArrivals = 50e6;

/// When requests are due, from the beginning of the load, ascending and below `duration`; the same
/// for the same options on every machine. About rate · duration of them.
/// Errors: INVALID_ARGUMENT for a rate that is not positive, or more than kMostArrivals.
base::Result<std::vector<base::Duration>> DrawArrivals(const ArrivalOptions& options);

/// A part of a load during which its rate stays the same.
struct Phase {
  double rate = 0;  ///< requests per second, > 0
  base::Duration duration{0};
};

/// The phases one after another, each drawn as DrawArrivals does with a seed of its own; rate and
/// duration of `options` are not looked at. Errors: as DrawArrivals, and over all phases together.
base::Result<std::vector<base::Duration>> DrawPhases(const ArrivalOptions& options,
                                                     std::span<const Phase> phases);

}  // namespace muster::bench
