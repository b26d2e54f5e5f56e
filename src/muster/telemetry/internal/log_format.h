#pragma once

#include <span>
#include <string>
#include <string_view>

#include "muster/telemetry/log.h"

namespace muster::telemetry {

/// A line without time and level: `text key=value key="other value"`. Values are quoted and escaped
/// unless they are plain ASCII without spaces, so each field can be told from the next again.
std::string FormatLogLine(std::string_view text, std::span<const LogField> fields);

}  // namespace muster::telemetry
