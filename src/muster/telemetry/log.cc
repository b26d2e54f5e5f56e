#include "muster/telemetry/log.h"

#include <memory>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "muster/telemetry/internal/log_format.h"

namespace muster::telemetry {
namespace {

spdlog::logger& Logger() {
  // Never destroyed: threads may still log while the process ends.
  static spdlog::logger* const logger = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();  // colours on terminals
    auto made = std::make_unique<spdlog::logger>("muster", std::move(sink));
    made->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc));
    made->set_level(spdlog::level::info);
    return made.release();
  }();
  return *logger;
}

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

void Log(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) {
  try {
    spdlog::logger& logger = Logger();
    if (!logger.should_log(LevelOf(level))) return;
    const std::string line = FormatLogLine(text, {fields.begin(), fields.size()});
    logger.log(LevelOf(level), spdlog::string_view_t(line.data(), line.size()));
  } catch (...) {
    // Out of memory, say. A line that cannot be written is no reason to fail what it is about.
  }
}

void SetLogLevel(LogLevel level) { Logger().set_level(LevelOf(level)); }

}  // namespace muster::telemetry
