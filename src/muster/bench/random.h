#pragma once

#include <cmath>
#include <cstdint>
#include <random>

namespace muster::bench {

/// Seeded numbers that are the same on every machine: the engine's sequence is the standard's, and
/// the distributions, which the standard leaves to each library, are our own.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t Bits() { return engine_(); }
  /// In (0, 1]: never 0, so that its logarithm is finite.
  double Uniform() { return static_cast<double>((engine_() >> 11) + 1) * 0x1p-53; }
  /// Mean 1.
  double Exponential() { return -std::log(Uniform()); }
  /// Standard normal (Box and Muller, 1958).
  double Normal();
  /// Mean `shape` (scale 1), coefficient of variation 1/√shape (Marsaglia and Tsang, "A simple
  /// method for generating gamma variables", 2000; shapes below 1 by their boost).
  double Gamma(double shape);

 private:
  std::mt19937_64 engine_;
};

}  // namespace muster::bench
