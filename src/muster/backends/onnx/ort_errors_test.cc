#include <gtest/gtest.h>

#include "muster/backends/onnx/internal/ort_runtime.h"

namespace muster::backends::onnx {
namespace {

TEST(CleanText, DropsWhereInItsSourceTheRuntimeFailed) {
  EXPECT_EQ(CleanText("/onnxruntime_src/core/model.cc:177 onnxruntime::Model::Model(onnx::Proto&&, "
                      "const Path&) ModelProto does not have a graph."),
            "ModelProto does not have a graph.");
  EXPECT_EQ(CleanText("failed:/src/a.h:1 virtual S N::F<T>::Compute(C*) const [with T = float] x "
                      "was false."),
            "failed:x was false.");
  EXPECT_EQ(CleanText("/src/a.cc:1 N::F(int)::<lambda(const P&)> const bad (really)"),
            "bad (really)");
  EXPECT_EQ(CleanText("/src/a.cc:1 auto N::X::operator()(int) const bad"), "bad");
  EXPECT_EQ(CleanText("/src/a.cc:1 f(int) one; /src/b.cc:22 g(long) two"), "one; two");
}

TEST(CleanText, DropsPathsButNotTheNamesOfNodes) {
  EXPECT_EQ(CleanText("cannot open /home/me/weights.bin now"), "cannot open now");
  EXPECT_EQ(CleanText("Node ('/fc1/Gemm') is wrong"), "Node ('/fc1/Gemm') is wrong");
  EXPECT_EQ(CleanText("expected 3 / 4"), "expected 3 / 4");
}

TEST(CleanText, IsOneShortLine) {
  EXPECT_EQ(CleanText("Got invalid dimensions\n index: 1\n"), "Got invalid dimensions index: 1");
  EXPECT_EQ(CleanText("bell \a"), "bell \\u0007");
  EXPECT_LT(CleanText(std::string(100'000, 'x')).size(), 500u);
  EXPECT_EQ(CleanText(""), "");
}

TEST(CleanText, SurvivesTextThatIsCutShort) {
  const std::string text =
      "/src/a.cc:1 N::F(int)::<lambda(const P&)> const [with T = float] bad (really)";
  for (std::size_t n = 0; n <= text.size(); ++n) {
    EXPECT_LE(CleanText(text.substr(0, n)).size(), n);
  }
}

TEST(ErrorOf, BlamesMemoryWhereItRanOut) {
  for (const char* text : {"std::bad_alloc", "Failed to allocate memory for requested buffer"}) {
    EXPECT_EQ(ErrorOf(ORT_RUNTIME_EXCEPTION, text).code, base::Code::kResourceExhausted);
  }
}

TEST(ErrorOf, BlamesTheDataOtherwise) {
  for (const OrtErrorCode code :
       {ORT_FAIL, ORT_INVALID_ARGUMENT, ORT_RUNTIME_EXCEPTION, ORT_EP_FAIL}) {
    EXPECT_EQ(ErrorOf(code, "no").ToString(), "INVALID_ARGUMENT: no");
  }
}

TEST(ErrorOf, NamesTheNodeThatFailedAndWhy) {
  EXPECT_EQ(ErrorOf(ORT_FAIL,
                    "Non-zero status code returned while running Reshape node. "
                    "Name:'/fc/Reshape' Status Message: /src/a.h:9 f(int) shapes differ")
                .message,
            "the model failed at node `/fc/Reshape` (Reshape): shapes differ");
  EXPECT_EQ(ErrorOf(ORT_FAIL,
                    "Non-zero status code returned while running Add node. Name:'' "
                    "Status Message: no")
                .message,
            "the model failed at a node (Add): no");
}

}  // namespace
}  // namespace muster::backends::onnx
