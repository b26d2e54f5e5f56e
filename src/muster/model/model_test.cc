#include "muster/model/model.h"

#include <gtest/gtest.h>
#include <thread>

namespace muster::model {
namespace {

using tensor::Tensor;

/// Gives its inputs back: at once, or from a thread of its own.
class Echo : public Instance {
 public:
  explicit Echo(bool asynchronous) : asynchronous_(asynchronous) {}
  void Start(RunId run, std::span<const Tensor> inputs, RunSink& sink) noexcept override {
    std::vector<Tensor> outputs(inputs.begin(), inputs.end());
    if (!asynchronous_) return sink.OnDone(run, std::move(outputs));
    thread_ = std::jthread([run, &sink, outputs = std::move(outputs)]() mutable {
      sink.OnDone(run, std::move(outputs));
    });
  }
  void Cancel(RunId) noexcept override {}

 private:
  bool asynchronous_;
  std::jthread thread_;
};

TEST(RunAndWait, ReturnsWhatASynchronousInstanceGave) {
  Echo instance(/*asynchronous=*/false);
  const Tensor x = Tensor::Of<float>({2}, {1, 2});
  const auto outputs = RunAndWait(instance, std::span(&x, 1));
  ASSERT_TRUE(outputs);
  EXPECT_EQ(outputs->at(0).bytes(), x.bytes());
}

TEST(RunAndWait, WaitsForAnInstanceThatAnswersFromAnotherThread) {
  Echo instance(/*asynchronous=*/true);
  const Tensor x = Tensor::Of<float>({2}, {1, 2});
  for (int i = 0; i < 100; ++i) {
    const auto outputs = RunAndWait(instance, std::span(&x, 1));
    ASSERT_TRUE(outputs);
    EXPECT_EQ(outputs->at(0).bytes(), x.bytes());
  }
}

TEST(ModelSource, IsCalledByTheNameOfItsFile) {
  EXPECT_EQ((ModelSource{.path = "/secret/folder/iris.onnx", .bytes = {}}).DisplayName(),
            "iris.onnx");
  EXPECT_EQ((ModelSource{.path = "iris.onnx", .bytes = {}}).DisplayName(), "iris.onnx");
  EXPECT_EQ((ModelSource{.path = "/secret/folder/", .bytes = {}}).DisplayName(), "folder");
  EXPECT_EQ((ModelSource{.path = "/", .bytes = {}}).DisplayName(), "/");
}

TEST(ModelSource, IsCalledBytesWhereItHasNoFile) {
  EXPECT_EQ(ModelSource{}.DisplayName(), "bytes");
}

}  // namespace
}  // namespace muster::model
