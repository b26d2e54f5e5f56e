#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apps/muster/bench_command.h"
#include "apps/muster/commands.h"
#include "apps/muster/runtime.h"
#include <CLI/CLI.hpp>

#include "muster/base/text.h"
#include "muster/telemetry/log.h"

namespace muster::app {
namespace {

constexpr int kUsage = 2;

/// What the command line said; the flags of all settings as text, in the order of the table.
struct CommandLine {
  std::string config;
  std::map<std::string, std::string> flags;
  std::vector<std::string> paths;
  std::string model;
  std::string input;
  BenchModelArguments bench_model;
  TuneArguments tune;
  BenchVariantsArguments bench_variants;
};

void AddSettings(CLI::App& command, CommandLine& line) {
  command.add_option("--config", line.config, "YAML file with any of the settings below")
      ->envname("MUSTER_CONFIG")
      ->type_name("FILE");
  for (const Setting& setting : Settings()) {
    if (setting.name == "models") continue;
    command
        .add_option_function<std::string>(
            FlagOf(setting),
            [&line, name = std::string(setting.name)](const std::string& text) {
              line.flags[name] = text;
            },
            std::string(setting.help))
        ->type_name(std::string(setting.value));
  }
}

/// `muster bench model`.
CLI::App* AddBenchModel(CLI::App& bench, CommandLine& line) {
  BenchModelArguments& arguments = line.bench_model;
  CLI::App* model = bench.add_subcommand("model", "the model alone in a plain loop, no server");
  model->add_option("PATH", line.paths, "a model file or folder, or a repository of one");
  model->add_option("--batch-sizes", arguments.batch_sizes, "rows per run (default 1,2,4,…,512)")
      ->type_name("N,…")
      ->delimiter(',');
  model->add_option("--instances", arguments.instances, "runs at a time (default 1 and all cores)")
      ->type_name("N,…")
      ->delimiter(',');
  model->add_option("--threads", arguments.threads, "of one run (default 1 and all cores)")
      ->type_name("N,…")
      ->delimiter(',');
  model->add_option("--seconds", arguments.seconds, "for each point (default 1)")->type_name("S");
  model->add_option("--json", arguments.json, "write the figures there")->type_name("FILE");
  model->add_option("--svg", arguments.svg, "write a plot there")->type_name("FILE");
  AddSettings(*model, line);
  return model;
}

/// `muster bench variants`.
CLI::App* AddBenchVariants(CLI::App& bench, CommandLine& line) {
  BenchVariantsArguments& arguments = line.bench_variants;
  CLI::App* variants =
      bench.add_subcommand("variants", "compare models and versions on the same inputs");
  variants->add_option("PATH", line.paths, "as for serve");
  variants->add_option("--iterations", arguments.iterations, "runs of each (default 100)")
      ->type_name("N");
  variants->add_option("--batch-size", arguments.batch_size, "rows of a run (default 1)")
      ->type_name("N");
  variants->add_option("--json", arguments.json, "write the figures there")->type_name("FILE");
  AddSettings(*variants, line);
  return variants;
}

/// `muster tune`.
CLI::App* AddTune(CLI::App& app, CommandLine& line) {
  TuneArguments& arguments = line.tune;
  CLI::App* tune = app.add_subcommand("tune", "find instances, threads and batch size of a model");
  tune->add_option("PATH", line.paths, "a model folder or file, or a repository of one model");
  tune->add_option("--slo", arguments.slo, "longest wait and run of a row, e.g. 20ms")
      ->type_name("TIME")
      ->required();
  tune->add_option("--seconds", arguments.seconds, "for each point (default 0.5)")->type_name("S");
  CLI::Option* write =
      tune->add_flag("--write", arguments.write, "write the settings into its muster.yaml");
  tune->add_flag_function(
          "--dry-run", [](std::int64_t) {}, "only say them (the default)")
      ->excludes(write);
  AddSettings(*tune, line);
  return tune;
}

base::Result<Options> Read(const CommandLine& line) {
  GivenValues given(line.flags.begin(), line.flags.end());
  MUSTER_ASSIGN_OR_RETURN(Options options, ReadOptions(line.config, given));
  if (!line.paths.empty()) options.models = line.paths;
  return options;
}

int Fail(const base::Error& error) {
  std::fprintf(stderr, "muster: %s\n", error.message.c_str());
  return kUsage;
}

int Version(const Options& options) {
  std::printf("muster %s\n%s\n", MUSTER_VERSION, RuntimeVersion(options).c_str());
  return 0;
}

/// The command that the arguments name, as far as they do.
const CLI::App& CommandOf(const CLI::App& app, int argc, char** argv) {
  const CLI::App* command = &app;
  for (int i = 1; i < argc; ++i) {
    const auto below =
        command->get_subcommands([&](const CLI::App* sub) { return sub->check_name(argv[i]); });
    if (below.empty()) break;
    command = below.front();
  }
  return *command;
}

/// Names the flag that an unknown one was probably meant to be.
void SuggestFlags(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : CommandOf(app, argc, argv).get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  const std::vector<std::string_view> known(flags.begin(), flags.end());
  for (int i = 1; i < argc; ++i) {
    std::string_view flag(argv[i]);
    flag = flag.substr(0, flag.find('='));
    if (!flag.starts_with("--") || std::ranges::find(known, flag) != known.end()) continue;
    if (const std::string_view nearest = base::NearestOf(flag, known); !nearest.empty()) {
      std::fprintf(stderr, "Did you mean %s?\n", std::string(nearest).c_str());
    }
  }
}

telemetry::LogLevel LevelOf(const std::string& name) {
  if (name == "debug") return telemetry::LogLevel::kDebug;
  if (name == "warning") return telemetry::LogLevel::kWarning;
  return name == "error" ? telemetry::LogLevel::kError : telemetry::LogLevel::kInfo;
}

int Run(int argc, char** argv) {
  CommandLine line;
  CLI::App app{"muster serves one model in every way a prediction can be asked for.", "muster"};
  app.require_subcommand(0, 1);  // none is our own error below, which a wrong one must not become
  app.failure_message(CLI::FailureMessage::simple);
  CLI::App* serve = app.add_subcommand("serve", "serve models over HTTP");
  serve->add_option("PATH", line.paths,
                    "model files, model folders, or repositories <model>/<version>/model.onnx");
  AddSettings(*serve, line);
  CLI::App* models = app.add_subcommand("models", "list models: inputs, outputs, sizes");
  models->add_option("PATH", line.paths, "as for serve");
  AddSettings(*models, line);
  CLI::App* predict = app.add_subcommand("predict", "predict in this process, without a server");
  predict->add_option("PATH", line.paths, "as for serve");
  predict->add_option("--model", line.model, "name of the model, or the path of a model file")
      ->type_name("MODEL");
  predict
      ->add_option("--input", line.input,
                   "JSON body such as {\"inputs\": [5.1, 3.5, 1.4, 0.2]}, or - for standard input")
      ->type_name("JSON|-")
      ->required();
  AddSettings(*predict, line);
  CLI::App* version = app.add_subcommand("version", "print the versions of muster and its runtime");
  AddSettings(*version, line);
  BenchCommand bench(app);
  CLI::App* bench_model = AddBenchModel(bench.app(), line);
  CLI::App* bench_variants = AddBenchVariants(bench.app(), line);
  CLI::App* tune = AddTune(app, line);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e) == 0 ? 0 : kUsage;
    if (code != 0) SuggestFlags(app, argc, argv);
    return code;
  }
  if (app.get_subcommands().empty()) {
    std::fprintf(stderr, "muster: expected a command; muster --help lists them\n");
    return kUsage;
  }
  if (bench.parsed() && !bench_model->parsed() && !bench_variants->parsed()) {
    return bench.Run(argc, argv);
  }
  auto options = Read(line);
  if (!options) return Fail(options.error());
  telemetry::SetLogLevel(LevelOf(options->log_level));
  if (version->parsed()) return Version(*options);
  if (models->parsed()) return Models(*options);
  if (predict->parsed()) return Predict(*options, line.model, line.input);
  if (bench_model->parsed()) return BenchModel(*options, line.bench_model);
  if (bench_variants->parsed()) return BenchVariants(*options, line.bench_variants);
  if (tune->parsed()) return Tune(*options, line.tune);
  return Serve(*options);
}

}  // namespace
}  // namespace muster::app

int main(int argc, char** argv) { return muster::app::Run(argc, argv); }
