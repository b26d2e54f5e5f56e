#include <algorithm>
#include <cmath>
#include <deque>
#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "muster/batching/batch_queue.h"
#include "muster/batching/internal/queue_test_support.h"

// One instance that takes all that waits (policy adaptive, batches unbounded), Poisson arrivals λ,
// runs of l(b) = αb + β, simulated event by event on the real queue and held against theory.

namespace muster::batching {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

constexpr double kAlphaNanos = 1000;   // α = 1 µs
constexpr std::int64_t kBatches = 20;  // of the batch-means estimate below

struct Estimate {
  double mean = 0;   // of the latency, in units of α
  double error = 0;  // standard error of it
};

/// Mean latency of `arrivals` requests; its error by the method of batch means, as latencies of
/// neighbours are correlated.
Estimate Simulate(double beta, double load, std::int64_t arrivals, std::uint64_t seed) {
  BatchQueue queue({.max_rows = 1 << 30, .max_bytes = std::size_t{1} << 60}, Adaptive(1 << 30));
  std::mt19937_64 random(seed);
  std::exponential_distribution<double> gap(load / kAlphaNanos);
  const auto after = [](base::TimePoint t, double nanos) {
    return t + base::Duration(static_cast<std::int64_t>(std::llround(nanos)));
  };
  WorkItem prototype;
  prototype.inputs = {tensor::Tensor::Allocate(tensor::DType::kFp32, {1, 1})};
  prototype.rows = 1;

  std::vector<double> sums(kBatches);
  const std::int64_t per_batch = arrivals / kBatches;
  std::int64_t finished = 0;
  double arrival_nanos = 0;  // kept apart so that rounding does not add up
  const auto next_arrival = [&] { return after(kStart, arrival_nanos += gap(random)); };
  base::TimePoint arrival = next_arrival();
  base::TimePoint free_at = kStart;
  while (finished < per_batch * kBatches) {
    for (; arrival <= free_at || queue.waiting_rows() == 0; arrival = next_arrival()) {
      WorkItem item;
      item.inputs = prototype.inputs;
      item.rows = 1;
      EXPECT_TRUE(queue.Push(std::make_shared<Pending>(std::move(item)), arrival));
      if (arrival > free_at) free_at = arrival;  // it was idle: launched at once
    }
    const FormedBatch batch = queue.PopReady(free_at, nullptr);
    const double run = kAlphaNanos * (static_cast<double>(batch.rows) + beta);
    free_at = after(free_at, run);
    for (const Slice& slice : batch.slices) {
      if (finished == per_batch * kBatches) break;
      sums[static_cast<std::size_t>(finished++ / per_batch)] +=
          static_cast<double>((free_at - slice.pending->arrival).count()) / kAlphaNanos;
    }
  }
  Estimate estimate;
  for (double& sum : sums) estimate.mean += (sum /= static_cast<double>(per_batch)) / kBatches;
  for (const double mean : sums) estimate.error += (mean - estimate.mean) * (mean - estimate.mean);
  estimate.error = std::sqrt(estimate.error / (kBatches - 1) / kBatches);
  return estimate;
}

/// Exact mean latency in units of α, from the Markov chain of batch sizes: a batch of k runs for
/// T = k + β; Poisson(λT) arrive meanwhile and are the next batch, or if none does, the next one to
/// arrive runs alone at once. Renewal-reward over one run: those that arrive in it wait T/2 on
/// average, and each of the k is in the run for T.
double ChainMeanLatency(double beta, double load) {
  constexpr int kMax = 400;  // far beyond what the chains tested here reach
  std::vector<std::vector<double>> next(kMax + 1, std::vector<double>(kMax + 1, 0.0));
  for (int k = 1; k <= kMax; ++k) {
    const double mean = load * (k + beta);
    double p = std::exp(-mean);
    next[static_cast<std::size_t>(k)][1] = p;
    for (int j = 1; j <= kMax; ++j) {
      p *= mean / j;
      next[static_cast<std::size_t>(k)][static_cast<std::size_t>(j)] += p;
    }
  }
  std::vector<double> pi(kMax + 1, 0.0), successor;
  pi[1] = 1;
  for (double change = 1; change > 1e-12;) {
    successor.assign(kMax + 1, 0.0);
    for (std::size_t k = 1; k <= kMax; ++k) {
      if (pi[k] < 1e-18) continue;
      for (std::size_t j = 1; j <= kMax; ++j) successor[j] += pi[k] * next[k][j];
    }
    change = 0;
    for (std::size_t k = 1; k <= kMax; ++k) change += std::abs(successor[k] - pi[k]);
    pi.swap(successor);
  }
  double time = 0, served = 0;
  for (int k = 1; k <= kMax; ++k) {
    const double run = k + beta;
    time += pi[static_cast<std::size_t>(k)] * (load * run * run / 2 + k * run);
    served += pi[static_cast<std::size_t>(k)] * k;
  }
  return time / served;
}

// Together more than 10⁷ arrivals. Near saturation batches remember each other, and the shorter
// they are the more they vary: those need more for an error of at most 1 % of the mean. Under
// sanitizers, which make each arrival some forty times slower, fewer.
std::int64_t Arrivals(double beta, double load) {
  const std::int64_t arrivals = load < 0.8 ? 500'000 : beta > 10 ? 1'500'000 : 4'000'000;
  return arrivals / (kSanitized ? 40 : 1);
}

// Fewer arrivals are held to the same theory with the error that their number implies.
double Allowance(const Estimate& estimate) { return kSanitized ? 4 * estimate.error : 0; }

class TakeAll : public ::testing::TestWithParam<double> {};

// Inoue, "Queueing analysis of GPU-based inference servers with dynamic batching" (arXiv
// 1912.06322), in its heavy-load form.
TEST_P(TakeAll, HasTheLatencyOfTheoryWhereTheFixedCostDominates) {
  const double beta = GetParam();
  for (const double load : {0.3, 0.5, 0.7, 0.9}) {
    const Estimate latency = Simulate(beta, load, Arrivals(beta, load), 7);
    const double theory = 1.5 * beta / (1 - load);
    EXPECT_NEAR(latency.mean, theory, 0.07 * theory + Allowance(latency))
        << "beta " << beta << ", load " << load;
  }
}
INSTANTIATE_TEST_SUITE_P(LargeBeta, TakeAll, ::testing::Values(10, 50, 200));

class TakeAllChain : public ::testing::TestWithParam<double> {};

TEST_P(TakeAllChain, HasTheLatencyOfTheMarkovChain) {
  const double beta = GetParam();
  for (const double load : {0.3, 0.5, 0.7, 0.9}) {
    const Estimate latency = Simulate(beta, load, Arrivals(beta, load), 11);
    const double theory = ChainMeanLatency(beta, load);
    EXPECT_NEAR(latency.mean, theory, 0.03 * theory + Allowance(latency))
        << "beta " << beta << ", load " << load;
  }
}
INSTANTIATE_TEST_SUITE_P(SmallBeta, TakeAllChain, ::testing::Values(0.1, 1));

}  // namespace
}  // namespace muster::batching
