#include "apps/muster/process_limits.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <sys/resource.h>
#include <system_error>

#include "muster/telemetry/log.h"

namespace muster::app {
namespace {

using telemetry::Log;
using telemetry::LogLevel;

// Enough for 32,768 connections on their defaults. Some systems' hard limit is a billion, and the
// kernel's table grows with what is used alone, but a cap of half a billion connections is none.
constexpr rlim_t kUsual = 65'536;
// Models, listeners, files.
constexpr rlim_t kBesideConnections = 512;

}  // namespace

void RaiseDescriptorLimit(const Options& options) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t asked = static_cast<rlim_t>(options.http.max_connections) + kBesideConnections;
  const rlim_t wanted = std::min(limit.rlim_max, std::max(kUsual, asked));
  if (limit.rlim_cur >= wanted) return;
  const std::string from = std::to_string(limit.rlim_cur);
  limit.rlim_cur = wanted;
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) {
    Log(LogLevel::kInfo, "descriptor limit raised",
        {{"from", from}, {"to", std::to_string(wanted)}});
  } else {
    Log(LogLevel::kWarning, "descriptor limit not raised",
        {{"from", from},
         {"to", std::to_string(wanted)},
         {"reason", std::generic_category().message(errno)}});
  }
}

}  // namespace muster::app
