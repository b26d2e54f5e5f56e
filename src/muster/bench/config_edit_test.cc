#include "muster/bench/config_edit.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <unistd.h>

#include "muster/registry/model_config.h"

namespace muster::bench {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string Edited(const std::string& yaml) {
  const auto edited = WithTuning(yaml, {2, 1}, 32);
  return edited ? *edited : "REFUSED " + edited.error().message;
}

TEST(WithTuning, ReplacesValuesWhereTheyStandAndKeepsEverythingElse) {
  EXPECT_EQ(Edited("# Of the flower team.\n"
                   "description: Iris   # three species\n"
                   "\n"
                   "instances: 0  # one per core\n"
                   "labels: [a, b]\n"
                   "max_batch_size:   64 # the default\n"
                   "threads: 4\n"
                   "# The end.\n"),
            "# Of the flower team.\n"
            "description: Iris   # three species\n"
            "\n"
            "instances: 2  # one per core\n"
            "labels: [a, b]\n"
            "max_batch_size:   32 # the default\n"
            "threads: 1\n"
            "# The end.\n");
}

TEST(WithTuning, AddsAtTheEndWhatIsNotThere) {
  EXPECT_EQ(Edited("description: Iris\n"),
            "description: Iris\ninstances: 2\nthreads: 1\nmax_batch_size: 32\n");
  EXPECT_EQ(Edited("threads: 8\ndescription: Iris"),
            "threads: 1\ndescription: Iris\ninstances: 2\nmax_batch_size: 32\n");
}

TEST(WithTuning, MakesAFileOfNothing) {
  EXPECT_EQ(Edited(""), "instances: 2\nthreads: 1\nmax_batch_size: 32\n");
  EXPECT_EQ(Edited("# only this"), "# only this\ninstances: 2\nthreads: 1\nmax_batch_size: 32\n");
}

TEST(WithTuning, IsTheSameTheSecondTime) {
  const std::string once = Edited("labels: [a]  # x\n");
  EXPECT_EQ(Edited(once), once);
}

TEST(WithTuning, LeavesTextThatOnlyLooksLikeAKey) {
  EXPECT_EQ(Edited("description: |\n  instances: 7\n  threads: 7\nlabels:\n- \"threads: 3\"\n"),
            "description: |\n  instances: 7\n  threads: 7\nlabels:\n- \"threads: 3\"\n"
            "instances: 2\nthreads: 1\nmax_batch_size: 32\n");
  EXPECT_EQ(Edited("# instances: 5\n"),
            "# instances: 5\ninstances: 2\nthreads: 1\nmax_batch_size: 32\n");
}

TEST(WithTuning, KeepsLineEndsQuotesAndMarks) {
  EXPECT_EQ(Edited("threads: 4\r\ninstances: 1\r\n"),
            "threads: 1\r\ninstances: 2\r\nmax_batch_size: 32\r\n");
  EXPECT_EQ(Edited("\"threads\" : 4\n'instances': 1\nmax_batch_size: 2"),
            "\"threads\" : 1\n'instances': 2\nmax_batch_size: 32");
  EXPECT_EQ(Edited("---\ndescription: a\n...\n"),
            "---\ndescription: a\ninstances: 2\nthreads: 1\nmax_batch_size: 32\n...\n");
}

TEST(WithTuning, RefusesWhatCannotBeEditedByLine) {
  for (const char* yaml : {"{instances: 1, threads: 2}", "instances:\n  1\n", "instances: &n 3\n",
                           "? instances\n: 3\n"}) {
    EXPECT_THAT(Edited(yaml), HasSubstr("cannot be edited")) << yaml;
    EXPECT_THAT(Edited(yaml), HasSubstr("instances: 2, threads: 1, max_batch_size: 32"));
  }
}

TEST(WithTuning, RefusesAFileThatIsNotValidAnyway) {
  EXPECT_THAT(Edited("instence: 1\n"), HasSubstr("did you mean `instances`"));
}

/// A folder of its own for each test.
class ReplaceFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) /
              ("replace_file_" + std::to_string(::getpid()) +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  static std::string Read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::ptrdiff_t Files() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }

  fs::path folder_;
};

TEST_F(ReplaceFileTest, MakesAndReplacesAFileAndLeavesNothingBeside) {
  ASSERT_TRUE(ReplaceFile(Path("a.yaml"), "one"));
  ASSERT_TRUE(ReplaceFile(Path("a.yaml"), "two"));
  EXPECT_EQ(Read(Path("a.yaml")), "two");
  EXPECT_EQ(Files(), 1);
}

TEST_F(ReplaceFileTest, KeepsPermissions) {
  std::ofstream(Path("a.yaml")) << "one";
  fs::permissions(Path("a.yaml"), fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_TRUE(ReplaceFile(Path("a.yaml"), "two"));
  EXPECT_EQ(fs::status(Path("a.yaml")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(ReplaceFileTest, ALinkStaysALinkToTheNewText) {
  std::ofstream(Path("real.yaml")) << "one";
  fs::create_symlink("real.yaml", Path("link.yaml"));
  ASSERT_TRUE(ReplaceFile(Path("link.yaml"), "two"));
  EXPECT_TRUE(fs::is_symlink(Path("link.yaml")));
  EXPECT_EQ(Read(Path("real.yaml")), "two");
}

TEST_F(ReplaceFileTest, SaysWhatItCannotDo) {
  const auto status = ReplaceFile(Path("no/such/folder/a.yaml"), "text");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, base::Code::kUnavailable);
  fs::create_directory(Path("a.yaml"));
  EXPECT_FALSE(ReplaceFile(Path("a.yaml"), "text"));
  EXPECT_EQ(Files(), 1) << "no temporary file is left";
}

}  // namespace
}  // namespace muster::bench
