#include "muster/base/ids.h"

#include <cstdint>
#include <random>

namespace muster::base {
namespace {

std::uint64_t Seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): eight
// bytes of state per thread, and no number comes twice within its period of 2^64.
std::uint64_t NextRandom() {
  thread_local std::uint64_t state = Seed();
  std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

std::string NewRequestId() {
  std::string id = "req_0000000000000000";
  std::uint64_t random = NextRandom();
  for (auto digit = id.rbegin(); random != 0; ++digit, random >>= 4) {
    *digit = "0123456789abcdef"[random & 15];
  }
  return id;
}

}  // namespace muster::base
