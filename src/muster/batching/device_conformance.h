#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "muster/batching/device.h"

namespace muster::batching {

/// What every Device must do; run it on an implementation with
///   INSTANTIATE_TEST_SUITE_P(MyDevice, DeviceConformance, ::testing::Values(MakeMyDevice));
/// where MakeMyDevice makes one with about the given number of slots (or more).
using DeviceMaker = std::function<std::unique_ptr<Device>(int slots)>;
class DeviceConformance : public ::testing::TestWithParam<DeviceMaker> {};

TEST_P(DeviceConformance, HasTheSlotsItWasMadeWith) {
  EXPECT_GE(GetParam()(1)->slots(), 1);
  EXPECT_GE(GetParam()(3)->slots(), 3);
}

TEST_P(DeviceConformance, AFreeSlotIsTakenWithoutWaiting) {
  const auto device = GetParam()(2);
  const Device::FlowId flow = device->AddFlow("a");
  EXPECT_TRUE(device->TryAcquire(flow));
  device->Acquire(flow);
  device->Release(flow, std::chrono::milliseconds(1));
  EXPECT_TRUE(device->TryAcquire(flow));
  device->Release(flow, {});
  device->Release(flow, {});
  device->RemoveFlow(flow);
}

TEST_P(DeviceConformance, ASlotThatNobodyElseWantsIsRenewedAtOnce) {
  const auto device = GetParam()(1);
  const Device::FlowId flow = device->AddFlow("a");
  device->Acquire(flow);
  for (int i = 0; i < 100; ++i) device->Renew(flow, std::chrono::hours(1));
  device->Release(flow, std::chrono::hours(1));
  EXPECT_TRUE(device->TryAcquire(flow));
  device->Release(flow, {});
}

TEST_P(DeviceConformance, AWaiterGetsTheSlotThatIsReleased) {
  const auto device = GetParam()(1);
  const Device::FlowId holder = device->AddFlow("holder"), waiter = device->AddFlow("waiter");
  device->Acquire(holder);
  std::jthread thread([&] {
    device->Acquire(waiter);
    device->Release(waiter, std::chrono::milliseconds(1));
  });
  device->Release(holder, std::chrono::milliseconds(1));
  thread.join();
  EXPECT_TRUE(device->TryAcquire(holder));
  device->Release(holder, {});
}

TEST_P(DeviceConformance, NobodyJumpsTheQueue) {
  const auto device = GetParam()(1);
  const Device::FlowId first = device->AddFlow("first"), second = device->AddFlow("second");
  std::atomic<bool> second_had_it{false}, tried{false};
  bool jumped = false;
  device->Acquire(first);
  std::jthread thread([&] {
    device->Acquire(second);
    second_had_it = true;
    device->Release(second, std::chrono::milliseconds(1));
    jumped = device->TryAcquire(second);
    if (jumped) device->Release(second, {});
    tried = true;
    tried.notify_one();
  });
  // On a device with one slot, `second` gets it in one of these calls, which at the same moment
  // makes `first` wait for it: it is next.
  while (!second_had_it) device->Renew(first, std::chrono::seconds(1));
  tried.wait(false);
  device->Release(first, {});
  if (device->slots() == 1) {
    EXPECT_FALSE(jumped);
  }
}

TEST_P(DeviceConformance, FlowsComeAndGo) {
  const auto device = GetParam()(1);
  for (int i = 0; i < 100; ++i) {
    const Device::FlowId flow = device->AddFlow("flow " + std::to_string(i), 1.0 + i);
    device->Acquire(flow);
    device->Release(flow, std::chrono::milliseconds(i));
    device->RemoveFlow(flow);
  }
}

// Many threads of several flows, by all three ways of getting a slot: never more holders than
// slots, and nobody is left waiting.
TEST_P(DeviceConformance, NeverHasMoreHoldersThanSlotsAndForgetsNobody) {
  const auto device = GetParam()(3);
  std::atomic<int> holders{0}, most{0};
  const auto hold = [&] {
    const int now = ++holders;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    --holders;
  };
  std::vector<std::jthread> threads;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&, t] {
      const Device::FlowId flow = device->AddFlow("flow", 1 + t % 3);
      for (int i = 0; i < 300; ++i) {
        if (i % 3 != 0 || !device->TryAcquire(flow)) device->Acquire(flow);
        hold();
        if (i % 2 == 0) {
          device->Renew(flow, std::chrono::microseconds(t + 1));
          hold();
        }
        device->Release(flow, std::chrono::microseconds(t + 1));
      }
      device->RemoveFlow(flow);
    });
  }
  threads.clear();
  EXPECT_LE(most, std::max(3, device->slots()));
}

}  // namespace muster::batching
