#include "muster/batching/device.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "muster/batching/device_conformance.h"
#include "muster/batching/fake_device.h"

namespace muster::batching {
namespace {

using namespace std::chrono_literals;

INSTANTIATE_TEST_SUITE_P(FairDevice, DeviceConformance,
                         ::testing::Values([](int slots) { return MakeFairDevice(slots); }));
INSTANTIATE_TEST_SUITE_P(FakeDevice, DeviceConformance,
                         ::testing::Values([](int) { return std::make_unique<FakeDevice>(); }));

TEST(FairDevice, HasExactlyItsSlots) {
  const auto device = MakeFairDevice(2);
  const Device::FlowId flow = device->AddFlow("a");
  EXPECT_EQ(device->slots(), 2);
  EXPECT_TRUE(device->TryAcquire(flow));
  EXPECT_TRUE(device->TryAcquire(flow));
  EXPECT_FALSE(device->TryAcquire(flow));
  device->Release(flow, 1ms);
  EXPECT_TRUE(device->TryAcquire(flow));
}

/// Two flows, each a thread that always has more to run, take turns on one slot. Which of them runs
/// is up to the device alone; time is what they say they used. The first one's share of the time,
/// counted from when both are there.
double ShareOfFirst(Device& device, std::vector<double> weights, std::vector<base::Duration> runs) {
  constexpr base::Duration kLength = 10s;
  std::atomic<base::Duration::rep> used[2] = {};
  std::atomic<int> present{0};
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i, flow = device.AddFlow("flow", weights[i])] {
      device.Acquire(flow);
      ++present;
      while (base::Duration(used[0] + used[1]) < kLength) {
        if (present == 2) used[i] += runs[i].count();
        device.Renew(flow, runs[i]);
      }
      device.Release(flow, runs[i]);
    });
  }
  threads.clear();
  return static_cast<double>(used[0]) / static_cast<double>(used[0] + used[1]);
}

TEST(FairDevice, SharesTimeEquallyBetweenShortAndLongRuns) {
  const auto device = MakeFairDevice(1);
  EXPECT_NEAR(ShareOfFirst(*device, {1, 1}, {1ms, 10ms}), 0.5, 0.025);
}

TEST(FairDevice, SharesTimeByWeight) {
  const auto device = MakeFairDevice(1);
  EXPECT_NEAR(ShareOfFirst(*device, {3, 1}, {2ms, 3ms}), 0.75, 0.0375);
}

}  // namespace
}  // namespace muster::batching
