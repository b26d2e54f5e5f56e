#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/engine/local_engine.h"
#include "muster/server/http/server.h"

namespace muster::app {

/// Everything that can be set, from all commands.
struct Options {
  std::vector<std::string> models;
  std::string onnxruntime;  ///< path of the library; empty: found beside the program
  std::string log_level = "info";
  server::http::HttpOptions http;
  int metrics_port = 8002;  ///< -1: none
  bool metrics_port_is_default = true;
  std::chrono::milliseconds drain_delay{3'000};
  bool drain_delay_is_default = true;
  std::chrono::milliseconds drain_limit{25'000};
  engine::EngineOptions engine;
};

/// One setting: its name gives the flag (--http-port), the key of the config file (http_port) and
/// the environment variable (MUSTER_HTTP_PORT). The one table below feeds all three, --help and
/// /config.
struct Setting {
  std::string_view name;   ///< "http_port"
  std::string_view value;  ///< what kind: "PORT", "MS", "N"
  std::string_view help;
  /// Errors say what was expected; the caller adds where the text came from.
  std::function<base::Status(Options&, const std::string& text)> set;
  /// The effective value as JSON.
  std::function<std::string(const Options&)> json;
};

const std::vector<Setting>& Settings();

/// "--http-port" and "MUSTER_HTTP_PORT".
std::string FlagOf(const Setting& setting);
std::string VariableOf(const Setting& setting);

/// Values given on the command line, by setting name.
using GivenValues = std::vector<std::pair<std::string, std::string>>;

/// Defaults, then the config file (YAML; empty: none), then the environment, then the command line.
/// Errors: INVALID_ARGUMENT naming flag, variable or line, and the nearest known key.
base::Result<Options> ReadOptions(const std::string& config_file, const GivenValues& command_line);

/// The effective configuration as JSON. No secrets: there are none among the settings.
std::string ConfigJson(const Options& options);

}  // namespace muster::app
