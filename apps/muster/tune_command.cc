#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "apps/muster/commands.h"
#include "apps/muster/one_model.h"
#include "apps/muster/runtime.h"

#include "muster/bench/bare_report.h"
#include "muster/bench/config_edit.h"
#include "muster/bench/tune.h"

namespace muster::app {
namespace {

namespace fs = std::filesystem;

/// The muster.yaml of a model folder. Errors: INVALID_ARGUMENT for a file alone, which has none.
base::Result<std::string> ConfigFileOf(const Options& options,
                                       const registry::ModelFolder& folder) {
  std::error_code error;
  if (!fs::is_directory(options.models.at(0), error)) {
    return base::InvalidArgument(
        "a model file alone has no muster.yaml to write into: put it into a folder as " +
        folder.name + "/1/model.onnx, or use --dry-run");
  }
  const fs::path model_file = NewestOf(folder).path;  // <folder>/<version>/model.onnx
  return (model_file.parent_path().parent_path() / "muster.yaml").string();
}

/// The file's text; empty where there is no file. Errors: UNAVAILABLE.
base::Result<std::string> ReadConfigText(const std::string& file) {
  std::error_code error;
  if (!fs::exists(file, error)) return std::string();
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in || in.bad()) return base::Unavailable(file + " cannot be read");
  return text.str();
}

base::Result<bench::TuneOptions> ReadTuning(const Options& options,
                                            const TuneArguments& arguments) {
  bench::TuneOptions tuning;
  MUSTER_ASSIGN_OR_RETURN(tuning.slo, bench::ParseTime(arguments.slo).WithContext("--slo"));
  if (!(arguments.seconds > 0 && arguments.seconds <= 3600)) {
    return base::InvalidArgument("--seconds: expected more than 0, at most 3600");
  }
  tuning.per_point = base::Duration(std::llround(arguments.seconds * 1e9));
  tuning.cores = options.engine.cores;
  return tuning;
}

/// What the model's own settings mean for its rows' waiting.
void ApplyConfig(const registry::ModelConfig& config, bench::TuneOptions& tuning) {
  if (config.policy == "window")
    tuning.wait = base::Duration(std::llround(config.max_wait_ms * 1e6));
  tuning.batches = config.policy != "none" && config.batchable != false;
}

base::Status Write(const std::string& file, const bench::Tuning& choice) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadConfigText(file));
  MUSTER_ASSIGN_OR_RETURN(const std::string edited,
                          bench::WithTuning(text, choice.split, choice.max_batch_size));
  if (edited != text) MUSTER_RETURN_IF_ERROR(bench::ReplaceFile(file, edited));
  std::printf("written to %s\n", file.c_str());
  return {};
}

base::Status MeasureAndWrite(const Options& options, const TuneArguments& arguments,
                             bench::TuneOptions tuning) {
  MUSTER_ASSIGN_OR_RETURN(const registry::ModelFolder folder, FindOne(options));
  std::string file;
  if (arguments.write) {  // before minutes are spent on what cannot be written
    MUSTER_ASSIGN_OR_RETURN(file, ConfigFileOf(options, folder));
  }
  ApplyConfig(folder.config, tuning);
  MUSTER_ASSIGN_OR_RETURN(const auto loader, OpenLoader(options));
  const registry::VersionFile& version = NewestOf(folder);
  std::printf("%s version %s, %d cores, %g s a point\n%s", folder.name.c_str(),
              version.version.c_str(), tuning.cores, arguments.seconds,
              bench::TableTitle().c_str());
  std::fflush(stdout);
  MUSTER_ASSIGN_OR_RETURN(
      const bench::Tuned tuned,
      bench::Tune(*loader, {.path = version.path, .bytes = {}}, tuning, base::RealClock(),
                  [](const bench::Split& split, const bench::BarePoint& point) {
                    std::fputs(bench::TableLine(split, point).c_str(), stdout);
                    std::fflush(stdout);
                  })
          .WithContext("model " + folder.name));
  std::fputs(bench::Explanation(tuned, tuning).c_str(), stdout);
  if (arguments.write) return Write(file, tuned.choice);
  std::printf("nothing written: --write does\n");
  return {};
}

}  // namespace

int Tune(const Options& options, const TuneArguments& arguments) {
  const auto fail = [](const base::Error& error, int code) {
    std::fprintf(stderr, "muster: %s\n", error.message.c_str());
    return code;
  };
  const auto tuning = ReadTuning(options, arguments);
  if (!tuning) return fail(tuning.error(), 2);
  const base::Status status = MeasureAndWrite(options, arguments, *tuning);
  return status ? 0 : fail(status.error(), 1);
}

}  // namespace muster::app
