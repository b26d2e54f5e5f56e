#include <gtest/gtest.h>

#include "muster/engine/conformance.h"
#include "muster/engine/fake_engine.h"
#include "muster/engine/local_engine.h"
#include "muster/model/fake_loader.h"

namespace muster::engine {
namespace {

INSTANTIATE_TEST_SUITE_P(Fake, EngineConformance,
                         testing::Values(EngineUnderTest{[](base::Clock& clock) {
                           auto engine = std::make_unique<FakeEngine>(clock);
                           engine->Add("doubling", "1");
                           engine->Add("doubling", "2");
                           engine->Add("other", "1");
                           return std::unique_ptr<Engine>(std::move(engine));
                         }}));

INSTANTIATE_TEST_SUITE_P(Local, EngineConformance,
                         testing::Values(EngineUnderTest{[](base::Clock& clock) {
                           static model::FakeLoader loader;
                           loader.Put("doubling", {});
                           auto engine = *LocalEngine::Create({}, loader, clock);
                           EXPECT_TRUE(engine->Load(
                               {"doubling", {{"1", "doubling"}, {"2", "doubling"}}, {}, {}}));
                           EXPECT_TRUE(engine->Load({"other", {{"1", "doubling"}}, {}, {}}));
                           engine->SetReady();
                           return std::unique_ptr<Engine>(std::move(engine));
                         }}));

}  // namespace
}  // namespace muster::engine
