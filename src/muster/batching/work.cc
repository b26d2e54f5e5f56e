#include "muster/batching/work.h"

#include <array>

namespace muster::batching {

std::string_view LaunchReasonName(LaunchReason reason) {
  constexpr std::array<std::string_view, kLaunchReasons> kNames = {
      "instance_free", "full", "knee", "deadline", "delay", "single", "isolate", "drain"};
  return kNames[static_cast<std::size_t>(reason)];
}

}  // namespace muster::batching
