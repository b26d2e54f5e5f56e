#include "muster/server/api/internal/process_info.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace muster::server::api {
namespace {

std::uint64_t ReadNumber(const char* file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  return in >> value ? value : 0;  // "max" and missing files read as 0
}

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

}  // namespace

MemoryInfo ReadMemoryInfo() {
  MemoryInfo info;
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  std::uint64_t kib = 0;
  std::string unit;
  while (meminfo >> key >> kib) {
    if (key == "MemTotal:") info.total_bytes = kib * 1024;
    if (key == "MemAvailable:") info.available_bytes = kib * 1024;
    std::getline(meminfo, unit);
  }
  if (const std::uint64_t limit = ReadNumber("/sys/fs/cgroup/memory.max");
      limit > 0 && limit < info.total_bytes) {
    const std::uint64_t used = ReadNumber("/sys/fs/cgroup/memory.current");
    info.total_bytes = limit;
    info.available_bytes = std::min(info.available_bytes, limit - std::min(used, limit));
  }
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  if (statm >> pages >> pages) {
    info.resident_bytes = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  return info;
}

double ProcessCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

}  // namespace muster::server::api
