#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/bench/bare_engine.h"

namespace muster::bench {

/// Settings of a model and what was measured with them.
struct Tuning {
  Split split;
  std::int64_t max_batch_size = 1;
  double rows_per_s = 0;
  base::Duration run{0};    ///< the longest p99 of runs of at most max_batch_size rows
  base::Duration worst{0};  ///< see WorstOf
};

/// The longest that a row waits and runs, while the load is below what the model can do:
///
///     worst(n) = wait + 2 · l(n)
///
/// A row that comes just after a run began waits for its end, at most l(n), for all instances may
/// be busy; then it runs itself, at most l(n), in a batch of at most n. l(n) is the largest p99 of
/// all sizes up to n, for smaller batches are run too. `wait` is what the batching policy adds:
/// 0 for adaptive, max_wait_ms for window. Above that load rows wait for several runs, and no
/// batch size bounds that; the queue's limit and deadlines do.
base::Duration WorstOf(base::Duration run, base::Duration wait);

/// For each curve the settings of the most rows per second whose worst(n) is within `slo`, of those
/// within 3 % of it the smallest batch; nothing where not even the smallest batch fits.
std::vector<std::optional<Tuning>> TuneEach(std::span<const BareCurve> curves, base::Duration slo,
                                            base::Duration wait);

/// The best of all curves; where rates are within 3 %, the one of the smallest worst(n). Pure.
/// Errors: FAILED_PRECONDITION where none fits, naming the smallest worst(n) that is possible.
base::Result<Tuning> Choose(std::span<const BareCurve> curves, base::Duration slo,
                            base::Duration wait);

/// A batch size between the largest that fits and the next one that does not, where larger batches
/// still gain and the two are more than a quarter apart: what to measure next. Pure.
std::optional<std::int64_t> SizeBetween(const BareCurve& curve, base::Duration slo,
                                        base::Duration wait);

/// How `cores` may be shared out: one core alone, and every power of two (and all) as threads of
/// one instance with as many instances as there is room for.
std::vector<Split> SplitsOf(int cores);

struct TuneOptions {
  base::Duration slo{0};
  base::Duration wait{0};  ///< what the policy adds
  int cores = 1;
  bool batches = true;  ///< false: the server will run this model a row at a time
  base::Duration per_point = std::chrono::milliseconds(500);
};

struct Tuned {
  Tuning choice;
  std::vector<std::optional<Tuning>> of_splits;  ///< as TuneEach gives them
  BareSweep sweep;
};

/// Measures the bare engine at each of SplitsOf, and between batch sizes where that may help.
/// Blocks. Errors: those of MeasureBare and Choose; INVALID_ARGUMENT for an SLO that is not above
/// `wait`.
base::Result<Tuned> Tune(model::ModelLoader& loader, const model::ModelSource& source,
                         const TuneOptions& options, base::Clock& clock,
                         const PointSink& on_point = {});

/// What was chosen and why, in a few lines with the figures.
std::string Explanation(const Tuned& tuned, const TuneOptions& options);

/// "20ms", "1.5s", "500us"; the unit must be there. Errors: INVALID_ARGUMENT.
base::Result<base::Duration> ParseTime(std::string_view text);

}  // namespace muster::bench
