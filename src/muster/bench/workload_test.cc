#include "muster/bench/workload.h"

#include <gmock/gmock.h>

namespace muster::bench {
namespace {

using testing::HasSubstr;

RequestOptions Read(std::string_view path) {
  RequestOptions request;
  const base::Status read = ReadPath(path, request);
  EXPECT_TRUE(read) << path;
  return request;
}

TEST(ReadPath, FindsTheModelInItsRoutes) {
  EXPECT_EQ(Read("/predict/iris").model, "iris");
  EXPECT_EQ(Read("/predict/iris").path, "");
  EXPECT_EQ(Read("/v2/models/iris/infer").model, "iris");
  EXPECT_EQ(Read("/v2/models/iris/infer").path, "");
  EXPECT_EQ(Read("/v2/models/iris/infer").kind, RequestKind::kOip);
  EXPECT_EQ(Read("").model, "");
}

TEST(ReadPath, KeepsAPathThatSaysMore) {
  for (const std::string_view path : {"/predict/iris/batch", "/predict/iris/versions/2"}) {
    EXPECT_EQ(Read(path).model, "iris");
    EXPECT_EQ(Read(path).path, path);
  }
  EXPECT_EQ(Read("/v2/models/iris/versions/2/infer").kind, RequestKind::kOip);
  EXPECT_EQ(Read("/v2/models/iris/versions/2/infer").path, "/v2/models/iris/versions/2/infer");
  for (const std::string_view path : {"/predict", "/predict/batch", "/score?x=1"}) {
    EXPECT_EQ(Read(path).model, "");
    EXPECT_EQ(Read(path).path, path);
  }
}

TEST(ReadPath, RefusesTwoModels) {
  RequestOptions request{.model = "digits"};
  EXPECT_THAT(ReadPath("/predict/iris", request).error().message,
              HasSubstr("the URL names another, `iris`"));
  EXPECT_TRUE(ReadPath("/predict/digits", request));
}

TEST(Workload, SaysWhereAnAnswerDiffers) {
  Workload work;
  work.path = "/predict/m";
  work.expected = {"[1,2]", "[3]"};
  work.tolerance = 1e-5;
  EXPECT_EQ(work.Difference(0, R"({"result":[1,2.000001],"id":"a"})"), "");
  EXPECT_EQ(work.Difference(1, R"({"result":[4]})"),
            "input 2 to /predict/m: at [0]: expected 3, got 4");
  EXPECT_THAT(work.Difference(1, "{}"), HasSubstr("expected JSON"));
}

}  // namespace
}  // namespace muster::bench
