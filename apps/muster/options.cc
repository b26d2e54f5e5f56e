#include "apps/muster/options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sched.h>
#include <set>
#include <sstream>
#include <thread>
#include <unistd.h>

#include <yaml-cpp/yaml.h>

#include "muster/base/text.h"
#include "muster/server/codec/json_writer.h"

namespace muster::app {
namespace {

using base::InvalidArgument;
using base::Status;
using server::codec::AppendJsonString;

template <class T>
Status ParseInteger(const std::string& text, std::int64_t low, std::int64_t high, T& out) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    return InvalidArgument("expected a whole number from " + std::to_string(low) + " to " +
                           std::to_string(high) + ", got `" + base::Printable(text) + "`");
  }
  out = static_cast<T>(value);
  return {};
}

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

std::string List(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) {
    if (out.size() > 1) out += ',';
    AppendJsonString(out, item);
  }
  return out + "]";
}

std::vector<std::string> SplitCommas(const std::string& text) {
  std::vector<std::string> items;
  std::stringstream in(text);
  for (std::string item; std::getline(in, item, ',');) {
    if (!item.empty()) items.push_back(item);
  }
  return items;
}

/// A setting that is a whole number or a number of milliseconds somewhere in Options.
template <class Access>
Setting Integer(std::string_view name, std::string_view value, std::string_view help,
                std::int64_t low, std::int64_t high, Access access) {
  return {name, value, help,
          [=](Options& o, const std::string& text) -> Status {
            auto& field = access(o);
            using Field = std::remove_reference_t<decltype(field)>;
            if constexpr (requires { field.count(); }) {
              std::int64_t ms = 0;
              MUSTER_RETURN_IF_ERROR(ParseInteger(text, low, high, ms));
              field = Field(ms);
              return {};
            } else {
              return ParseInteger(text, low, high, field);
            }
          },
          [=](const Options& o) {
            const auto& field = access(const_cast<Options&>(o));
            if constexpr (requires { field.count(); })
              return std::to_string(field.count());
            else
              return std::to_string(field);
          }};
}

template <class Access>
Setting Text(std::string_view name, std::string_view value, std::string_view help, Access access) {
  return {name, value, help,
          [=](Options& o, const std::string& text) -> Status {
            access(o) = text;
            return {};
          },
          [=](const Options& o) { return Quoted(access(const_cast<Options&>(o))); }};
}

Setting LogLevelSetting() {
  return {"log_level", "LEVEL", "debug, info, warning or error (default info)",
          [](Options& o, const std::string& text) -> Status {
            if (text != "debug" && text != "info" && text != "warning" && text != "error") {
              return InvalidArgument("expected debug, info, warning or error, got `" +
                                     base::Printable(text) + "`");
            }
            o.log_level = text;
            return {};
          },
          [](const Options& o) { return Quoted(o.log_level); }};
}

Setting ModelsSetting() {
  return {"models", "PATH,…", "model files or folders, as the arguments of serve",
          [](Options& o, const std::string& text) -> Status {
            o.models = SplitCommas(text);
            return {};
          },
          [](const Options& o) { return List(o.models); }};
}

Setting CorsSetting() {
  return {"cors_origins", "URL,…", "origins whose browser pages may call (default none)",
          [](Options& o, const std::string& text) -> Status {
            o.http.cors_origins = SplitCommas(text);
            return {};
          },
          [](const Options& o) { return List(o.http.cors_origins); }};
}

Setting HalfCloseSetting() {
  return {
      "cancel_on_half_close", "BOOL",
      "a client that closes its sending side has gone (default true)",
      [](Options& o, const std::string& text) -> Status {
        if (text != "true" && text != "false") {
          return InvalidArgument("expected true or false, got `" + base::Printable(text) + "`");
        }
        o.http.cancel_on_half_close = text == "true";
        return {};
      },
      [](const Options& o) { return std::string(o.http.cancel_on_half_close ? "true" : "false"); }};
}

#define FIELD(path) [](Options& o) -> auto& { return o.path; }

std::vector<Setting> MakeSettings() {
  constexpr std::int64_t kMs = 86'400'000;
  constexpr std::int64_t kBytes = std::int64_t{1} << 40;
  std::vector<Setting> s;
  s.push_back(ModelsSetting());
  s.push_back(
      Text("host", "ADDRESS", "address to listen on (default 127.0.0.1)", FIELD(http.host)));
  s.push_back(Integer("http_port", "PORT", "HTTP port, 0 takes a free one (default 8000)", 0, 65535,
                      FIELD(http.port)));
  s.push_back(Integer("metrics_port", "PORT",
                      "port for health and metrics alone, -1 for none (default 8002, if free)", -1,
                      65535, FIELD(metrics_port)));
  s.push_back(Integer("io_threads", "N", "threads for connections (default 1)", 1, 256,
                      FIELD(http.threads)));
  s.push_back(
      Integer("cores", "N", "cores for models (default: all)", 1, 1024, FIELD(engine.cores)));
  s.push_back(Text("default_model", "NAME", "answers requests that name no model",
                   FIELD(engine.default_model)));
  s.push_back(Text("onnxruntime", "PATH", "ONNX Runtime's library", FIELD(onnxruntime)));
  s.push_back(LogLevelSetting());
  s.push_back(Integer("default_timeout_ms", "MS",
                      "deadline of requests that name none (default 30000)", 1, kMs,
                      FIELD(engine.default_timeout)));
  s.push_back(Integer("max_timeout_ms", "MS",
                      "longest deadline a request may ask for (default 300000)", 1, kMs,
                      FIELD(engine.max_timeout)));
  s.push_back(Integer("max_body_bytes", "BYTES",
                      "largest body, decompressed too (default 67108864)", 1, kBytes,
                      FIELD(http.max_body_bytes)));
  s.push_back(Integer("max_image_pixels", "N", "of a picture, as encoded (default 50000000)", 1,
                      kBytes, FIELD(engine.image_limits.max_pixels)));
  s.push_back(Integer("max_image_side", "N", "pixels of a picture's side (default 32768)", 1,
                      1 << 30, FIELD(engine.image_limits.max_side)));
  s.push_back(Integer("max_header_bytes", "BYTES", "largest header (default 32768)", 256, kBytes,
                      FIELD(http.max_header_bytes)));
  s.push_back(Integer("max_url_bytes", "BYTES", "longest URL (default 8192)", 16, kBytes,
                      FIELD(http.max_url_bytes)));
  s.push_back(Integer("max_connections", "N", "0: half of the descriptor limit (default)", 0,
                      1 << 20, FIELD(http.max_connections)));
  s.push_back(Integer("max_receiving_bytes", "BYTES",
                      "bodies being received, of all connections together (default 536870912)", 1,
                      kBytes, FIELD(http.max_receiving_bytes)));
  s.push_back(Integer("header_timeout_ms", "MS", "time to send a header (default 10000)", 1, kMs,
                      FIELD(http.header_timeout)));
  s.push_back(Integer("idle_timeout_ms", "MS", "idle connections are closed after (default 60000)",
                      1, kMs, FIELD(http.idle_timeout)));
  s.push_back(Integer("write_timeout_ms", "MS", "a reader that takes nothing for (default 30000)",
                      1, kMs, FIELD(http.write_timeout)));
  s.push_back(HalfCloseSetting());
  s.push_back(CorsSetting());
  s.push_back(Integer("drain_delay_ms", "MS",
                      "after SIGTERM, ready says no for this long before the port closes "
                      "(default 3000; 0 for Ctrl-C on a terminal)",
                      0, kMs, FIELD(drain_delay)));
  s.push_back(Integer("drain_limit_ms", "MS",
                      "longest wait for unfinished requests (default 25000)", 0, kMs,
                      FIELD(drain_limit)));
  return s;
}

/// The cores this process may run on: fewer than the machine's in a container or under taskset.
int UsableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

const Setting* FindSetting(std::string_view name) {
  for (const Setting& setting : Settings()) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

Status Apply(Options& options, const Setting& setting, const std::string& text,
             const std::string& where) {
  if (setting.name == "metrics_port") options.metrics_port_is_default = false;
  if (setting.name == "drain_delay_ms") options.drain_delay_is_default = false;
  return setting.set(options, text).WithContext(where);
}

Status UnknownKey(const std::string& key, const std::string& where) {
  std::vector<std::string_view> names;
  for (const Setting& setting : Settings()) names.push_back(setting.name);
  const std::string_view nearest = base::NearestOf(key, names);
  return InvalidArgument(where + ": unknown key `" + base::Printable(key) + "`" +
                         (nearest.empty() ? "" : "; did you mean `" + std::string(nearest) + "`?"));
}

/// A scalar's text, or that of a list's items with commas between.
base::Result<std::string> TextOf(const YAML::Node& node) {
  if (node.IsScalar()) return node.Scalar();
  std::string text;
  for (const YAML::Node& item : node) {
    if (node.IsMap() || !item.IsScalar()) {
      return InvalidArgument("expected a value or a list of values");
    }
    if (!text.empty()) text += ',';
    text += item.Scalar();
  }
  return text;
}

Status ApplyFile(Options& options, const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream content;
  content << in.rdbuf();
  if (!in) return base::NotFound("config file " + file + " cannot be read");
  try {
    const YAML::Node root = YAML::Load(content.str());
    if (root.IsNull()) return {};
    if (!root.IsMap()) return InvalidArgument(file + ": expected a mapping of keys to values");
    std::set<std::string> seen;
    for (const auto& entry : root) {
      const std::string key = entry.first.Scalar();
      const std::string where = file + " line " + std::to_string(entry.first.Mark().line + 1);
      if (!seen.insert(key).second)
        return InvalidArgument(where + ": `" + key + "` is given twice");
      const Setting* setting = FindSetting(key);
      if (setting == nullptr) return UnknownKey(key, where);
      const std::string what = where + ": " + key;
      MUSTER_ASSIGN_OR_RETURN(const std::string text, TextOf(entry.second).WithContext(what));
      MUSTER_RETURN_IF_ERROR(Apply(options, *setting, text, what));
    }
  } catch (const YAML::Exception& e) {
    return InvalidArgument(file + " line " + std::to_string(e.mark.line + 1) + ": " + e.msg);
  }
  return {};
}

/// What Kubernetes sets in every container beside a service that is called muster:
/// MUSTER_SERVICE_HOST, MUSTER_PORT_8000_TCP and the like.
bool IsServiceLink(std::string_view key) {
  return key.starts_with("service_") || key == "port" || key.starts_with("port_");
}

Status ApplyEnvironment(Options& options) {
  for (const Setting& setting : Settings()) {
    const std::string variable = VariableOf(setting);
    if (const char* text = std::getenv(variable.c_str())) {
      MUSTER_RETURN_IF_ERROR(Apply(options, setting, text, variable));
    }
  }
  constexpr std::string_view kPrefix = "MUSTER_";
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view pair(*entry);
    if (!pair.starts_with(kPrefix)) continue;
    std::string key(pair.substr(kPrefix.size(), pair.find('=') - kPrefix.size()));
    std::transform(key.begin(), key.end(), key.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (key != "config" && FindSetting(key) == nullptr && !IsServiceLink(key)) {
      return UnknownKey(key, "environment variable " + std::string(pair.substr(0, pair.find('='))));
    }
  }
  return {};
}

}  // namespace

const std::vector<Setting>& Settings() {
  static const std::vector<Setting> settings = MakeSettings();
  return settings;
}

std::string FlagOf(const Setting& setting) {
  std::string flag = "--" + std::string(setting.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string VariableOf(const Setting& setting) {
  std::string variable = "MUSTER_" + std::string(setting.name);
  std::transform(variable.begin(), variable.end(), variable.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return variable;
}

base::Result<Options> ReadOptions(const std::string& config_file, const GivenValues& command_line) {
  Options options;
  options.engine.cores = UsableCores();
  if (!config_file.empty()) MUSTER_RETURN_IF_ERROR(ApplyFile(options, config_file));
  MUSTER_RETURN_IF_ERROR(ApplyEnvironment(options));
  for (const auto& [name, text] : command_line) {
    const Setting* setting = FindSetting(name);
    MUSTER_CHECK(setting != nullptr, "a flag without a setting");
    MUSTER_RETURN_IF_ERROR(Apply(options, *setting, text, FlagOf(*setting)));
  }
  MUSTER_RETURN_IF_ERROR(options.http.Validate());
  MUSTER_RETURN_IF_ERROR(options.engine.Validate());
  return options;
}

std::string ConfigJson(const Options& options) {
  std::string out;
  server::codec::JsonWriter w(out);
  w.BeginObject();
  for (const Setting& setting : Settings()) {
    w.Key(setting.name);
    w.Raw(setting.json(options));
  }
  w.EndObject();
  return out;
}

}  // namespace muster::app
