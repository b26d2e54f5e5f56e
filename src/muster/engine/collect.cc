#include "muster/engine/local_engine.h"

namespace muster::engine {

void Collect(const Engine& engine, telemetry::Exposition& page) {
  for (const ModelStatus& m : engine.Models()) {
    const telemetry::Labels labels = {{"model", m.name}, {"version", m.version}};
    page.Gauge("muster_model_ready", "1 where the version answers requests, else 0.", labels,
               m.state == registry::VersionState::kReady ? 1 : 0);
    if (!m.lease) continue;
    const batching::BatcherSnapshot& b = m.batcher;
    const auto count = [&](std::string_view name, std::string_view help, std::uint64_t value) {
      page.Counter(name, help, labels, static_cast<double>(value));
    };
    count("muster_requests_total", "Requests for predictions.", m.request_count);
    count("muster_request_errors_total",
          "Requests refused, expired, cancelled or with a failed row.", m.error_count);
    count("muster_rows_total", "Rows asked for.", b.rows);
    count("muster_rows_succeeded_total", "Rows answered.", b.rows_succeeded);
    count("muster_rows_failed_total", "Rows that the model or its backend failed.", b.rows_failed);
    count("muster_refused_total",
          "Requests refused: queue full, draining, or the deadline would be missed.",
          b.requests_refused);
    count("muster_expired_in_queue_total", "Requests whose deadline passed before they were run.",
          b.requests_expired);
    count("muster_cancelled_total", "Requests whose client went away.", b.requests_cancelled);
    count("muster_runs_total", "Runs of the model.", b.runs);
    count("muster_failed_runs_total", "Runs of the model that failed.", b.failed_runs);
    count("muster_caller_runs_total", "Runs begun on the event loop that the requests came from.",
          b.caller_runs);
    count("muster_executor_wakeups_total", "Idle executor threads woken for a run.", b.wakeups);
    for (std::size_t i = 0; i < b.launches.size(); ++i) {
      telemetry::Labels with_reason = labels;
      with_reason.emplace_back("reason",
                               batching::LaunchReasonName(static_cast<batching::LaunchReason>(i)));
      page.Counter("muster_launches_total", "Runs by the reason they were launched for.",
                   with_reason, static_cast<double>(b.launches[i]));
    }
    if (m.lease->config.image) {
      count("muster_pictures_total", "Pictures sent to be made rows.", m.pictures);
      count("muster_pictures_refused_total", "Pictures that could not be read.",
            m.pictures_refused);
    }
    page.Gauge("muster_breaker_open", "1 where requests are refused because runs failed, else 0.",
               labels, m.breaker.state == registry::BreakerState::kOpen ? 1 : 0);
    count("muster_breaker_refused_total", "Requests refused because runs failed of late.",
          m.breaker.refused);
    for (std::size_t i = 0; i < m.breaker.entered.size(); ++i) {
      telemetry::Labels with_state = labels;
      with_state.emplace_back("to",
                              registry::BreakerStateName(static_cast<registry::BreakerState>(i)));
      page.Counter("muster_breaker_transitions_total", "Transitions of the breaker by new state.",
                   with_state, static_cast<double>(m.breaker.entered[i]));
    }
    page.Gauge("muster_queue_rows", "Rows waiting.", labels, static_cast<double>(b.waiting_rows));
    page.Gauge("muster_queue_oldest_seconds", "How long the oldest waiting request has waited.",
               labels, base::ToMillis(b.oldest_wait) / 1e3);
    page.Gauge("muster_running_rows", "Rows in runs now.", labels,
               static_cast<double>(b.running_rows));
    page.Gauge("muster_offered_load",
               "Work that has been arriving, as a share of what the instances can do.", labels,
               b.offered_load);
    page.Gauge("muster_efficient_batch_rows", "Rows beyond which a larger run gains nothing.",
               labels, static_cast<double>(b.efficient_rows));
    page.Sizes("muster_batch_rows", "Rows of a run.", labels, b.batch_rows);
    page.Seconds("muster_queue_wait_seconds", "Time a request waited for its run.", labels,
                 b.queue_wait);
    page.Seconds("muster_run_seconds", "Time of a run of the model.", labels, b.run_time);
    page.Seconds("muster_request_seconds", "Time from the engine's entry to its answer.", labels,
                 m.latency);
  }
}

}  // namespace muster::engine
