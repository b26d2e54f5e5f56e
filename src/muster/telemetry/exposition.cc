#include "muster/telemetry/exposition.h"

#include <array>
#include <limits>
#include <map>
#include <prometheus/check_names.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <span>

#include "muster/base/result.h"

namespace muster::telemetry {
namespace {

// 1-2.5-5 steps, finer below 1 ms and coarser above 10 s, where requests seldom are.
constexpr std::array<std::uint64_t, 19> kDurationBoundsUs = {
    50,        100,       250,        500,        1'000,     2'500,   5'000,
    10'000,    25'000,    50'000,     100'000,    250'000,   500'000, 1'000'000,
    2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};

constexpr std::array<std::uint64_t, 17> kSizeBounds = [] {
  std::array<std::uint64_t, 17> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = std::uint64_t{1} << i;
  return bounds;
}();

// The library writes help texts as they are; the format wants them escaped.
std::string EscapedHelp(std::string_view help) {
  std::string out;
  for (const char c : help) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

// Bounds and snapshot are in units of which `units_per_one` make one of the metric's.
prometheus::ClientMetric::Histogram Buckets(const HistogramSnapshot& snapshot,
                                            std::span<const std::uint64_t> bounds,
                                            std::uint64_t units_per_bound, double units_per_one) {
  prometheus::ClientMetric::Histogram histogram;
  histogram.sample_count = snapshot.count;
  histogram.sample_sum = static_cast<double>(snapshot.sum) / units_per_one;
  for (const std::uint64_t bound : bounds) {
    const std::uint64_t units = bound * units_per_bound;
    histogram.bucket.push_back(
        {snapshot.CountAtOrBelow(units), static_cast<double>(units) / units_per_one});
  }
  histogram.bucket.push_back({snapshot.count, std::numeric_limits<double>::infinity()});
  return histogram;
}

}  // namespace

struct Exposition::Impl {
  std::vector<prometheus::MetricFamily> families;  // in the order of their first metric
  std::map<std::string, std::size_t, std::less<>> index;

  prometheus::MetricFamily& Family(std::string_view name, std::string_view help,
                                   prometheus::MetricType type) {
    const auto [entry, is_new] = index.try_emplace(std::string(name), families.size());
    if (is_new) {
      MUSTER_CHECK(prometheus::CheckMetricName(entry->first), "metric name " + entry->first);
      families.push_back({entry->first, EscapedHelp(help), type, {}});
    }
    prometheus::MetricFamily& family = families[entry->second];
    MUSTER_CHECK(family.type == type, "two types of metric " + entry->first);
    return family;
  }

  prometheus::ClientMetric& Add(std::string_view name, std::string_view help, const Labels& labels,
                                prometheus::MetricType type) {
    prometheus::ClientMetric& metric = Family(name, help, type).metric.emplace_back();
    for (const auto& [key, value] : labels) {
      MUSTER_CHECK(prometheus::CheckLabelName(key), "label name " + key);
      metric.label.push_back({key, value});
    }
    return metric;
  }
};

Exposition::Exposition() : impl_(std::make_unique<Impl>()) {}
Exposition::~Exposition() = default;

void Exposition::Counter(std::string_view name, std::string_view help, const Labels& labels,
                         double value) {
  impl_->Add(name, help, labels, prometheus::MetricType::Counter).counter.value = value;
}

void Exposition::Gauge(std::string_view name, std::string_view help, const Labels& labels,
                       double value) {
  impl_->Add(name, help, labels, prometheus::MetricType::Gauge).gauge.value = value;
}

void Exposition::Seconds(std::string_view name, std::string_view help, const Labels& labels,
                         const HistogramSnapshot& nanoseconds) {
  impl_->Add(name, help, labels, prometheus::MetricType::Histogram).histogram =
      Buckets(nanoseconds, kDurationBoundsUs, 1'000, 1e9);
}

void Exposition::Sizes(std::string_view name, std::string_view help, const Labels& labels,
                       const HistogramSnapshot& sizes) {
  impl_->Add(name, help, labels, prometheus::MetricType::Histogram).histogram =
      Buckets(sizes, kSizeBounds, 1, 1);
}

std::string Exposition::Text() const {
  return prometheus::TextSerializer().Serialize(impl_->families);
}

}  // namespace muster::telemetry
