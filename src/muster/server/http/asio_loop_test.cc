#include "muster/server/http/asio_loop.h"

#include <gtest/gtest.h>
#include <thread>

#include "muster/base/loop_conformance.h"

namespace muster::base {
namespace {

using server::http::AsioLoop;

/// Runs the loop on the test's thread. Time is the machine's: these tests wait some milliseconds.
class AsioLoopUnderTest : public LoopUnderTest {
 public:
  Loop& loop() override { return loop_; }
  void RunUntilIdle() override {
    loop_.io().restart();
    loop_.io().poll();
  }
  void Advance(Duration d) override {
    const TimePoint until = loop_.Now() + d;
    bool over = false;
    loop_.At(until, [&] { over = true; });
    RunUntil([&] { return over; });
    RunUntilIdle();
  }
  void RunUntil(const std::function<bool()>& done) override {
    const auto work = boost::asio::make_work_guard(loop_.io());
    loop_.io().restart();
    while (!done()) loop_.io().run_one();
  }

 private:
  AsioLoop loop_{RealClock()};
};

INSTANTIATE_TEST_SUITE_P(AsioLoop, LoopConformance,
                         testing::Values(LoopMaker{
                             "AsioLoop", [] { return std::make_unique<AsioLoopUnderTest>(); }}));

TEST(AsioLoop, RunsUntilStoppedFromAnotherThread) {
  AsioLoop loop(RealClock());
  bool ran = false;
  loop.Post([&] {
    ran = true;
    std::jthread([&] { loop.Stop(); }).join();
  });
  loop.Run();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace muster::base
