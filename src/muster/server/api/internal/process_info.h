#pragma once

#include <cstdint>

namespace muster::server::api {

/// Memory as the process may use it: the machine's, or its control group's where that is less.
struct MemoryInfo {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
  std::uint64_t resident_bytes = 0;  ///< of this process
};
MemoryInfo ReadMemoryInfo();

/// CPU seconds of this process so far, user and system.
double ProcessCpuSeconds();

}  // namespace muster::server::api
