#include "muster/backends/onnx/onnx_loader.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <iterator>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

#include "muster/backends/onnx/testing/onnx_testing.h"
#include "muster/backends/onnx/testing/tiny_model.h"

namespace muster::backends::onnx {
namespace {

using base::Code;
namespace fs = std::filesystem;

/// Sets or, given null, unsets a variable for a test.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    Set(value);
  }
  ~Environment() { Set(before_ ? before_->c_str() : nullptr); }

 private:
  void Set(const char* value) {
    if (value != nullptr) {
      setenv(name_, value, 1);
    } else {
      unsetenv(name_);
    }
  }
  const char* name_;
  std::optional<std::string> before_;
};

base::Error OpenError(const std::string& library) {
  auto loader = OnnxLoader::Open({.library = library, .search = {}});
  return loader ? base::Internal("it was opened") : loader.error();
}

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// --- The library

TEST(OnnxLoader, SaysWhichRuntimeItOpened) {
  EXPECT_EQ(Loader().RuntimeVersion(), *OnnxVersion({.library = Library(), .search = {}}));
  EXPECT_TRUE(Loader().RuntimeVersion().starts_with("1."));
}

TEST(OnnxLoader, SaysHowToGetALibraryThatIsAbsent) {
  const base::Error error = OpenError("/nowhere/libonnxruntime.so");
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_TRUE(Contains(error.message, "run tools/fetch-onnxruntime")) << error.message;
  EXPECT_TRUE(Contains(error.message, "MUSTER_ONNXRUNTIME")) << error.message;
}

TEST(OnnxLoader, RefusesAFileThatIsNoLibrary) {
  for (const std::string& file : {std::string("/dev/null"), Root() + "/LICENSE", Root()}) {
    const base::Error error = OpenError(file);
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_TRUE(Contains(error.message, "cannot be opened")) << error.message;
  }
}

TEST(OnnxLoader, RefusesALibraryThatIsSomethingElse) {
  const base::Error error = OpenError("libz.so.1");
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_TRUE(Contains(error.message, "is not ONNX Runtime")) << error.message;
}

TEST(OnnxLoader, RefusesALibraryThatIsTooOldAndNamesBothVersions) {
  const base::Error error = OpenError(MUSTER_OLD_RUNTIME);
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_TRUE(Contains(error.message, "ONNX Runtime 1.2.3 is too old")) << error.message;
  EXPECT_TRUE(Contains(error.message, "version 1.21 or later")) << error.message;
}

TEST(OnnxLoader, TakesTheLibraryFromOptionsThenEnvironmentThenSearch) {
  const std::string old = MUSTER_OLD_RUNTIME;
  const std::vector<std::string> search = {"/nowhere/a.so", Library()};
  {
    const Environment unset("MUSTER_ONNXRUNTIME", nullptr);
    EXPECT_NE(*OnnxVersion({.library = "", .search = search}), "1.2.3");
    EXPECT_EQ(*OnnxVersion({.library = old, .search = search}), "1.2.3");
  }
  const Environment set("MUSTER_ONNXRUNTIME", old.c_str());
  EXPECT_EQ(*OnnxVersion({.library = "", .search = search}), "1.2.3");
  EXPECT_NE(*OnnxVersion({.library = Library(), .search = {}}), "1.2.3");
}

TEST(OnnxLoader, KeepsTheRuntimeFromReportingToItsMakers) {
  // Its uploader would be a thread; models of one thread have none of their own.
  const auto threads = [] {
    return std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator());
  };
  const auto before = threads();
  const auto model = Load(Example("iris"));
  EXPECT_EQ(threads(), before);
  EXPECT_STREQ(std::getenv("ORT_DISABLE_TELEMETRY"), "1");
}

TEST(OnnxLoader, OpensTheRuntimeAgain) {
  for (int i = 0; i < 2; ++i) {
    auto loader = OnnxLoader::Open({.library = Library(), .search = {}});
    ASSERT_TRUE(loader);
    EXPECT_TRUE((*loader)->Load({.path = Example("iris"), .bytes = {}}, {}));
  }
}

// --- Files

/// A folder whose name would not survive being taken apart at its spaces.
class OnnxLoaderFiles : public testing::Test {
 protected:
  OnnxLoaderFiles() { fs::create_directories(folder_); }
  ~OnnxLoaderFiles() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
    return Path(name);
  }
  static base::Error ErrorOfLoading(const std::string& path) {
    auto model = Loader().Load({.path = path, .bytes = {}}, {});
    return model ? base::Internal("it was loaded") : model.error();
  }
  static void ExpectNoPath(const base::Error& error) {
    EXPECT_FALSE(Contains(error.message, "/")) << error.message;
    EXPECT_FALSE(Contains(error.message, "secret")) << error.message;
  }

  const fs::path folder_ =
      fs::temp_directory_path() / ("muster onnx secret " + std::to_string(getpid()));
};

TEST_F(OnnxLoaderFiles, SaysThatAFileIsNotThere) {
  EXPECT_EQ(ErrorOfLoading(Path("absent.onnx")).ToString(), "NOT_FOUND: absent.onnx: no such file");
  EXPECT_EQ(ErrorOfLoading(Write("file", "x") + "/model.onnx").code, Code::kNotFound);
}

TEST_F(OnnxLoaderFiles, RefusesWhatIsNoRegularFileWithoutReadingIt) {
  ASSERT_EQ(mkfifo(Path("fifo.onnx").c_str(), 0600), 0);
  fs::create_directory(Path("folder.onnx"));
  fs::create_symlink("/dev/zero", Path("device.onnx"));
  for (const char* name : {"fifo.onnx", "folder.onnx", "device.onnx"}) {
    EXPECT_EQ(ErrorOfLoading(Path(name)).ToString(),
              "INVALID_ARGUMENT: " + std::string(name) + ": not a regular file");
  }
}

TEST_F(OnnxLoaderFiles, RefusesAnEmptyFile) {
  EXPECT_EQ(ErrorOfLoading(Write("empty.onnx", "")).ToString(),
            "INVALID_ARGUMENT: empty.onnx: the file is empty");
  EXPECT_FALSE(LoadBytes(""));
}

TEST_F(OnnxLoaderFiles, RefusesNoiseWithTheRuntimesReason) {
  const base::Error error = ErrorOfLoading(Write("noise.onnx", "this is not a model"));
  EXPECT_EQ(error.ToString(),
            "INVALID_ARGUMENT: noise.onnx: not a model this runtime can load: Protobuf parsing "
            "failed.");
}

TEST_F(OnnxLoaderFiles, RefusesTheRuntimesOwnFormat) {
  // A flatbuffer by its mark; its parser is not one for strangers' bytes.
  EXPECT_EQ(
      ErrorOfLoading(Write("own.onnx", std::string("\x20\0\0\0ORTM", 8) + std::string(64, '\x7f')))
          .code,
      Code::kInvalidArgument);
}

TEST_F(OnnxLoaderFiles, NeverSaysWhereAFileIs) {
  const Proto location = Proto().Text(1, "location").Text(2, "absent.bin");
  Proto weights;
  weights.Int(1, 3).Int(2, tiny::kFloat).Text(8, "w").Add(13, location).Int(14, 1);
  const std::string model = tiny::Graph{
      .nodes = {tiny::Node("Add", {"x", "w"}, {"y"})},
      .inputs = {tiny::Value("x", tiny::TensorType(tiny::kFloat, {"N", "3"}))},
      .outputs = {tiny::Value("y", tiny::TensorType(tiny::kFloat, {"N", "3"}))},
      .constants = {weights}}.Model();
  fs::create_directory_symlink(folder_, folder_.string() + " link");
  for (const std::string& path :
       {Write("outside.onnx", model), folder_.string() + " link/outside.onnx"}) {
    const base::Error error = ErrorOfLoading(path);
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_TRUE(Contains(error.message, "absent.bin")) << error.message;
    ExpectNoPath(error);
  }
  fs::remove(folder_.string() + " link");
}

TEST_F(OnnxLoaderFiles, NamesAnOperatorItDoesNotKnow) {
  const std::string model =
      tiny::Graph{.nodes = {tiny::Node("Frobnicate", {"x"}, {"y"})},
                  .inputs = {tiny::Value("x", tiny::TensorType(tiny::kFloat, {"N"}))},
                  .outputs = {tiny::Value("y", tiny::TensorType(tiny::kFloat, {"N"}))}}
          .Model();
  const base::Error error = ErrorOfLoading(Write("unknown.onnx", model));
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_TRUE(Contains(error.message, "Frobnicate")) << error.message;
  ExpectNoPath(error);
}

TEST_F(OnnxLoaderFiles, SurvivesEveryTruncation) {
  for (const char* name : {"iris", "breast_cancer_mlp"}) {
    const std::string bytes = ReadFile(Example(name));
    int refused = 0;
    for (std::size_t percent = 0; percent < 100; ++percent) {
      const std::string_view part = std::string_view(bytes).substr(0, bytes.size() * percent / 100);
      const auto model = LoadBytes(part);
      // Protobuf has no end mark: a cut between the last fields leaves a smaller valid model.
      if (model) continue;
      ++refused;
      EXPECT_EQ(model.error().code, Code::kInvalidArgument);
      ExpectNoPath(model.error());
    }
    EXPECT_GE(refused, 95) << name;
  }
}

TEST_F(OnnxLoaderFiles, SurvivesSingleFlippedBytes) {
  const std::string bytes = ReadFile(TestModel("fails_on_marked_row"));
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    const auto model = LoadBytes(changed);
    if (!model) ExpectNoPath(model.error());
  }
}

}  // namespace
}  // namespace muster::backends::onnx
