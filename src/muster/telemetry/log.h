#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace muster::telemetry {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// A key and its value, e.g. {"model", name}.
using LogField = std::pair<std::string_view, std::string>;

/// One line to standard error: time, level, text, key=value pairs. Control characters and quotes in
/// values are escaped, so that nothing a client sent can break or fake a line. Never throws; a line
/// that cannot be written is lost. Thread-safe.
void Log(LogLevel level, std::string_view text, std::initializer_list<LogField> fields = {});
/// Lines below `level` are not written; default kInfo.
void SetLogLevel(LogLevel level);

}  // namespace muster::telemetry
