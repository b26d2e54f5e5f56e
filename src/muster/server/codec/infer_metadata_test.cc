#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muster/server/codec/infer.h"
#include "muster/server/codec/internal/infer_test_support.h"

namespace muster::server::codec {
namespace {

using nlohmann::json;
using tensor::DType;

TEST(WriteModelMetadata, ShowsOpenExtentsAndTheRowsAsMinusOne) {
  auto model = FakeVersion("m", {Spec("x", DType::kFp32, {8, 3, -1})},
                           {Spec("y", DType::kBytes, {8, 2}), Spec("z", DType::kInt64, {})});
  model->spec.format = "onnx";
  std::string text;
  const std::vector<std::string> versions = {"1", "2"};
  WriteModelMetadata(text, *model, versions);
  EXPECT_EQ(json::parse(text, nullptr, false), json::parse(R"({
    "name": "m", "versions": ["1", "2"], "platform": "onnxruntime_onnx",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, -1]}],
    "outputs": [{"name": "y", "datatype": "BYTES", "shape": [-1, 2]},
                {"name": "z", "datatype": "INT64", "shape": [-1]}]})"));
}

TEST(WriteModelMetadata, ShowsTheModelsOwnShapesWhereItHasNoBatchAxis) {
  std::string text;
  WriteModelMetadata(text, *WholeTensor(DType::kInt8, {2, -1}), {});
  const json metadata = json::parse(text, nullptr, false);
  EXPECT_EQ(metadata["versions"], json::array());
  EXPECT_EQ(metadata["inputs"][0]["shape"], json::parse("[2, -1]"));
  EXPECT_EQ(metadata["outputs"][0]["shape"], json::parse("[2, -1]"));
}

}  // namespace
}  // namespace muster::server::codec
