#include "muster/registry/registry.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "muster/registry/reaper.h"

namespace muster::registry {
namespace {

ModelLease Lease(const std::string& name, const std::string& version) {
  auto served = std::make_shared<ServedVersion>();
  served->name = name;
  served->version = version;
  return served;
}

class RegistryTest : public testing::Test {
 protected:
  std::string VersionOf(std::string_view name, std::string_view version = "") {
    auto lease = registry_.Find(name, version);
    return lease ? (*lease)->name + "/" + (*lease)->version : std::string(lease.error().Reason());
  }
  base::FakeClock clock_;
  Registry registry_{clock_};
};

TEST_F(RegistryTest, AnswersWithTheHighestReadyVersion) {
  registry_.SetReady(Lease("m", "9"));
  registry_.SetReady(Lease("m", "10"));
  registry_.SetFailed("m", "11", "broken");
  EXPECT_EQ(VersionOf("m"), "m/10");
  EXPECT_EQ(VersionOf("m", "9"), "m/9");
}

TEST_F(RegistryTest, TellsUnknownFromUnready) {
  registry_.SetLoading("loading", "1");
  registry_.SetFailed("failed", "1", "broken");
  EXPECT_EQ(VersionOf("nothing"), "MODEL_NOT_FOUND");
  EXPECT_EQ(VersionOf("loading"), "MODEL_NOT_READY");
  EXPECT_EQ(VersionOf("failed"), "MODEL_NOT_READY");
  EXPECT_EQ(VersionOf("failed", "2"), "VERSION_NOT_FOUND");
}

TEST_F(RegistryTest, SuggestsTheNearestName) {
  registry_.SetReady(Lease("breast_cancer", "1"));
  EXPECT_NE(registry_.Find("brest_cancer", "").error().message.find("`breast_cancer`"),
            std::string::npos);
}

TEST_F(RegistryTest, TakesTheConfiguredDefaultElseTheFirstByName) {
  registry_.SetReady(Lease("b", "1"));
  registry_.SetReady(Lease("a", "1"));
  EXPECT_EQ(VersionOf(""), "a/1");
  registry_.SetDefault("b");
  EXPECT_EQ(VersionOf(""), "b/1");
}

TEST_F(RegistryTest, HasNoDefaultWithoutModels) { EXPECT_EQ(VersionOf(""), "MODEL_NOT_FOUND"); }

TEST_F(RegistryTest, SwapsAVersionWithoutTakingItFromThoseWhoHoldIt) {
  const ModelLease old = Lease("m", "1");
  registry_.SetReady(old);
  const ModelLease held = *registry_.Find("m", "");
  registry_.SetReady(Lease("m", "1"));
  EXPECT_EQ(held, old);
  EXPECT_NE(*registry_.Find("m", ""), old);
}

TEST_F(RegistryTest, ListsByNameThenByVersionNumber) {
  registry_.SetLoading("m", "10");
  registry_.SetLoading("m", "2");
  registry_.SetLoading("a", "1");
  std::vector<std::string> listed;
  for (const VersionEntry& e : registry_.List()) listed.push_back(e.name + "/" + e.version);
  EXPECT_EQ(listed, (std::vector<std::string>{"a/1", "m/2", "m/10"}));
}

struct Counted : ServedVersion {
  explicit Counted(std::atomic<int>& alive, std::thread::id& where) : alive(alive), where(where) {
    ++alive;
  }
  ~Counted() override {
    where = std::this_thread::get_id();
    --alive;
  }
  std::atomic<int>& alive;
  std::thread::id& where;
};

TEST(ModelLease, DestroysItsVersionOnTheReapersThread) {
  std::atomic<int> alive{0};
  std::thread::id where;
  {
    Reaper reaper;
    ModelLease lease = reaper.Lease(std::make_unique<Counted>(alive, where));
    ModelLease second = lease;
    lease.reset();
    EXPECT_EQ(alive, 1);
    second.reset();
  }
  EXPECT_EQ(alive, 0);
  EXPECT_NE(where, std::this_thread::get_id());
}

}  // namespace
}  // namespace muster::registry
