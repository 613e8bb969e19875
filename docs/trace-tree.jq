# A trace of Jaeger, GET /api/v3/traces/ID, as a tree: each span with its service, start and length.
def us: tonumber / 1000;
[.result.resourceSpans[]
  | (.resource.attributes[] | select(.key == "service.name").value.stringValue) as $service
  | .scopeSpans[].spans[] | . + {$service}] | sort_by(.startTimeUnixNano) as $all
| def tree($parent; $indent): $all[] | select((.parentSpanId // "") == $parent)
    | "\($indent)\(.name)  (\(.service))  +\((.startTimeUnixNano | us) - ($all[0].startTimeUnixNano | us) | round) µs, took \((.endTimeUnixNano | us) - (.startTimeUnixNano | us) | round) µs",
      tree(.spanId; $indent + "  ");
  tree(""; "")
