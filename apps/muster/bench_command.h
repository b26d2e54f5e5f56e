#pragma once

#include <memory>

namespace CLI {
class App;
}

namespace muster::app {

struct BenchArguments;

/// `muster bench URL` on the command line: adds the command, and runs it once that was parsed.
class BenchCommand {
 public:
  explicit BenchCommand(CLI::App& app);
  ~BenchCommand();
  BenchCommand(const BenchCommand&) = delete;
  BenchCommand& operator=(const BenchCommand&) = delete;

  /// For commands below it.
  CLI::App& app() const { return *command_; }
  bool parsed() const;
  /// Blocks until it is done. Returns the exit code: 0 done, 1 failed or answers were wrong, 2
  /// wrong usage. `argv` is recorded in the report.
  int Run(int argc, char** argv) const;

 private:
  std::unique_ptr<BenchArguments> arguments_;
  CLI::App* command_;
};

}  // namespace muster::app
