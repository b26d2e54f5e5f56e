#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "muster/telemetry/histogram.h"

namespace muster::telemetry {

using Labels = std::vector<std::pair<std::string, std::string>>;

/// Collects one scrape and writes it as Prometheus text (exposition format 0.0.4). Metrics are read
/// from the snapshots of their owners when asked for; there is no global registry, so a figure in
/// /stats, /models and /metrics is the same figure. A family's first Add fixes its help and type.
///
///   Exposition page;
///   page.Counter("muster_requests_total", "Requests answered.", {{"model", "iris"}}, 12);
///   std::string text = page.Text();
class Exposition {
 public:
  Exposition();
  ~Exposition();
  Exposition(const Exposition&) = delete;
  Exposition& operator=(const Exposition&) = delete;

  void Counter(std::string_view name, std::string_view help, const Labels& labels, double value);
  void Gauge(std::string_view name, std::string_view help, const Labels& labels, double value);
  /// A histogram of durations in seconds, from one of nanoseconds, at bounds 50 µs … 60 s.
  void Seconds(std::string_view name, std::string_view help, const Labels& labels,
               const HistogramSnapshot& nanoseconds);
  /// A histogram of counts (rows), at powers of two up to 65,536.
  void Sizes(std::string_view name, std::string_view help, const Labels& labels,
             const HistogramSnapshot& sizes);
  std::string Text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::telemetry
