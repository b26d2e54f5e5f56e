#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/bench/rate_search.h"
#include "muster/bench/settings.h"
#include "muster/bench/tally.h"
#include "muster/bench/workload.h"

namespace muster::bench {

/// Where and by what a measurement was made.
struct Origin {
  std::string host, cpu, kernel;
  int cores = 0;
  std::string command;  ///< as it was typed
  std::string version;  ///< of the generator
  std::string commit;   ///< empty: unknown
  std::string time;     ///< UTC, ISO 8601
};

/// What this machine says of itself, and the time; command, version and commit are the caller's.
Origin ThisMachine();

/// Everything a bench found out.
struct Measurement {
  Settings settings;
  Workload work;
  Origin origin;
  std::vector<Total> runs;
  std::optional<RateSearchResult> search;
  std::string warning;  ///< of a step that missed because of the generator; empty: none
  bool interrupted = false;
};

/// The report for programs: one JSON object with settings, origin, each run, the spread of each
/// figure over the runs (`summary`), and the steps of a search. Ends in a newline.
std::string JsonReport(const Measurement& m);

/// The report for people.
std::string TextReport(const Measurement& m);

/// "closed loop, 64 connections" and so on.
std::string LoadText(const Settings& settings);

/// Two JSON reports side by side: the medians and what they are to each other (second / first).
/// Errors: INVALID_ARGUMENT naming the one that is no report.
base::Result<std::string> CompareReports(std::string_view first, std::string_view second);

}  // namespace muster::bench
