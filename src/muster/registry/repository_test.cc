#include "muster/registry/repository.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

class Repository : public testing::Test {
 protected:
  void SetUp() override {
    root_ =
        fs::temp_directory_path() / ("muster_repository_" + std::to_string(getpid()) + "_" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void Write(const std::string& file, const std::string& text = "x") {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::vector<ModelFolder> Find(const std::string& path = "") {
    auto found = FindModels({(root_ / path).string()});
    EXPECT_TRUE(found);
    return found ? *found : std::vector<ModelFolder>();
  }

  fs::path root_;
};

TEST_F(Repository, ListsModelsByNameAndVersionsByNumber) {
  Write("iris/10/model.onnx");
  Write("iris/9/model.onnx");
  Write("digits/1/model.onnx");
  const auto found = Find();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "digits");
  EXPECT_EQ(found[1].name, "iris");
  ASSERT_EQ(found[1].versions.size(), 2u);
  EXPECT_EQ(found[1].versions[0].version, "9");
  EXPECT_EQ(found[1].versions[1].version, "10");
}

TEST_F(Repository, TakesAModelFolderGivenByItself) {
  Write("iris/1/model.onnx");
  for (const std::string path : {"iris", "iris/"}) {
    const auto found = Find(path);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].name, "iris");
  }
}

TEST_F(Repository, TakesABareFileAsVersionOneOfItsName) {
  Write("iris.onnx");
  const auto found = Find("iris.onnx");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "iris");
  ASSERT_EQ(found[0].versions.size(), 1u);
  EXPECT_EQ(found[0].versions[0].version, "1");
}

TEST_F(Repository, PassesOverWhatIsNoModel) {
  Write("iris/1/model.onnx");
  Write("notes/readme.txt");
  Write(".git/1/model.onnx");
  Write("make.py");
  EXPECT_EQ(Find().size(), 1u);
}

TEST_F(Repository, ReadsTheConfigOfAModel) {
  Write("iris/1/model.onnx");
  Write("iris/muster.yaml", "max_batch_size: 8\n");
  EXPECT_EQ(Find()[0].config.max_batch_size, 8);
}

TEST_F(Repository, KeepsABrokenConfigWithItsModelSoThatTheOthersAreServed) {
  Write("bad/1/model.onnx");
  Write("bad/muster.yaml", "lables: [a]\n");
  Write("good/1/model.onnx");
  const auto found = Find();
  ASSERT_EQ(found.size(), 2u);
  ASSERT_FALSE(found[0].status);
  EXPECT_EQ(found[0].status.error().message,
            "bad/muster.yaml line 1: unknown key `lables`; did you mean `labels`?");
  EXPECT_TRUE(found[1].status);
}

TEST_F(Repository, ReportsAModelFolderWithoutItsFile) {
  Write("iris/1/weights.bin");
  const auto found = Find();
  ASSERT_EQ(found.size(), 1u);
  ASSERT_FALSE(found[0].status);
  EXPECT_EQ(found[0].status.error().message,
            "model iris: expected a file <version>/model.onnx with a whole number as version");
}

TEST_F(Repository, ReportsAPathThatDoesNotExistThroughItsStatus) {
  const auto found = Find("nothing.onnx");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "nothing");
  EXPECT_EQ(found[0].status.error().code, base::Code::kNotFound);
}

TEST_F(Repository, RefusesAFolderWithoutModels) {
  auto found = FindModels({root_.string()});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, base::Code::kNotFound);
}

TEST_F(Repository, RefusesOneNameFoundTwice) {
  Write("iris.onnx");
  Write("b/iris/1/model.onnx");
  auto found = FindModels({(root_ / "iris.onnx").string(), (root_ / "b").string()});
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("found twice"), std::string::npos);
}

TEST_F(Repository, RefusesNamesThatCannotStandInAUrl) {
  Write("a b.onnx");
  auto found = FindModels({(root_ / "a b.onnx").string()});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, base::Code::kInvalidArgument);
}

}  // namespace
}  // namespace muster::registry
