#!/bin/sh
# One shopper's journey through Quintet by HTTP/JSON: the three plain calls that pages make (GET /recommendations, POST /event,
# POST /feedback), and calls of the contract for what a back end does. Needs curl, and a coordinator whose catalogue has
# products:
#
#     examples/clients/curl/journey.sh http://127.0.0.1:8080
#
# QUINTET_URL is the address where none is given; QUINTET_TLS_CA and QUINTET_API_KEY as for the other clients.
set -eu

url=${1:-${QUINTET_URL:-http://127.0.0.1:8080}}
run=$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
customer=example-curl-$run
brand="Example $run"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A file, because what stands on a command line can be read by every user of the machine.
{
    echo 'silent'
    echo 'show-error'
    echo 'max-time = 5'
    echo "output = \"$work/answer\""
    echo 'write-out = "%{http_code}"'
    if [ -n "${QUINTET_TLS_CA:-}" ]; then echo "cacert = \"$QUINTET_TLS_CA\""; fi
    if [ -n "${QUINTET_API_KEY:-}" ]; then echo "header = \"X-Api-Key: $QUINTET_API_KEY\""; fi
} >"$work/curlrc"

# call WANTED_STATUS PATH [CURL_OPTION...]: the answer is in $work/answer afterwards.
call() {
    wanted=$1 path=$2
    shift 2
    : >"$work/answer"
    status=$(curl --config "$work/curlrc" "$@" "$url$path") || fail "no answer from $url$path"
    [ "$status" = "$wanted" ] || fail "expected status $wanted of $path, got $status: $(cat "$work/answer")"
}

# send WANTED_STATUS PATH JSON
send() {
    call "$1" "$2" --header 'Content-Type: application/json' --data "$3"
}

# texts NAME: the values of a field of texts in the answer, one a line.
texts() {
    grep -o "\"$1\": *\"[^\"]*\"" "$work/answer" | cut -d '"' -f 4
}

first() {
    texts "$1" | head -n 1
}

# holds TEXT: whether the answer has a piece of JSON, as it is written without spaces.
holds() {
    tr -d ' \n' <"$work/answer" | grep -qF "$1"
}

report() {
    name=$1
    shift
    printf '%-20s %s\n' "$name" "$*"
}

fail() {
    echo "$step: $*" >&2
    exit 1
}

step=register_customer
send 200 /v1/customers "{\"customer_id\": \"$customer\", \"demographics\": {\"region\": \"store 367\", \"age\": 50}}"
report $step "customer_id=$(first customer_id)"

step=import_products # a stream: one object a line, of any length
for number in 0 1 2; do
    echo "{\"product\": {\"product_id\": \"$customer-$number\", \"name\": \"Example coffee $number\", \"category\": \"Coffee\"," \
        "\"brand\": \"$brand\", \"price\": {\"currency_code\": \"USD\", \"amount_minor\": 899}}}"
done >"$work/products.ndjson"
call 200 /v1/products:import --header 'Content-Type: application/x-ndjson' --data-binary "@$work/products.ndjson"
holds '"created":"3"' || fail "expected 3 new products, got $(cat "$work/answer")"
report $step "created=3"

step=price_change
price='{"currency_code": "USD", "amount_minor": 449}'
send 200 /v1/products:updatePrices "{\"updates\": [{\"product_id\": \"$customer-0\", \"price\": $price}]}"
holds '"applied":"1"' || fail "expected one price applied, got $(cat "$work/answer")"
report $step "product_id=$customer-0 amount_minor=449"

step=home
call 200 "/recommendations?customer_id=$customer&limit=5"
chosen=$(first product_id)
recommendation=$(first recommendation_id)
[ -n "$chosen" ] || fail "expected recommendations, got none"
home=$(texts product_id)
report $step "recommendations=$(echo "$home" | tr '\n' ' ')"

step=view_click
send 200 /event "{\"event_type\": \"page_view\", \"customer_id\": \"$customer\", \"product_id\": \"$chosen\",
    \"page_type\": \"product_page\", \"recommendation_id\": \"$recommendation\"}"
holds '"recorded":true' || fail "expected the event recorded, got $(cat "$work/answer")"
report $step "product_id=$chosen event_id=$(first event_id)"

step=add_to_cart # answered with fresh recommendations
send 200 /event "{\"event_type\": \"add_to_cart\", \"customer_id\": \"$customer\", \"product_id\": \"$chosen\", \"recommend\": 5}"
report $step "product_id=$chosen recommendations=$(texts product_id | tr '\n' ' ')"

step=purchase
send 200 /event "{\"event_type\": \"purchase\", \"customer_id\": \"$customer\", \"purchase_id\": \"order-$run\",
    \"items\": [{\"product_id\": \"$chosen\", \"quantity\": 1, \"price\": \"4.99\"}], \"currency\": \"USD\"}"
report $step "purchase_id=order-$run product_id=$chosen"

step=home_after_purchase
call 200 "/recommendations?customer_id=$customer&limit=5"
if texts product_id | grep -qxF "$chosen"; then fail "expected purchased product $chosen not recommended"; fi
report $step "recommendations=$(texts product_id | tr '\n' ' ')"

step=placement # with a filter that only the product with the new price passes
send 200 /v1/recommendations:query "{\"customer_id\": \"$customer\", \"placement_id\": \"home\",
    \"filter\": {\"expression\": \"brand = \\\"$brand\\\" AND price < 5.00\"}}"
[ "$(texts product_id)" = "$customer-0" ] || fail "expected $customer-0 alone, got $(texts product_id)"
recommendation=$(first recommendation_id)
report $step "product_id=$customer-0 placement_id=$(first placement_id)"

step=rank # a list of the platform's own: new products, then what the home page showed first
given=$(printf '%s\n' "$customer-0" "$customer-1" "$customer-2" "$home")
send 200 /v1/products:rank "{\"customer_id\": \"$customer\",
    \"product_ids\": [$(echo "$given" | sed 's/.*/"&"/' | paste -sd ,)]}"
[ "$(texts product_id | sort)" = "$(echo "$given" | sort)" ] || fail "expected an order of $given, got $(texts product_id)"
report $step "product_ids=$(texts product_id | tr '\n' ' ')"

step=feedback_click
send 200 /feedback "{\"recommendation_id\": \"$recommendation\", \"interaction_type\": \"click\"}"
report $step "recommendation_id=$recommendation"

step=duplicate_event # as when the first answer was lost
for duplicate in false true; do
    send 200 /event "{\"event_type\": \"home_view\", \"customer_id\": \"$customer\", \"event_id\": \"home-$run\"}"
    holds "\"duplicate\":$duplicate" || fail "expected duplicate $duplicate, got $(cat "$work/answer")"
done
report $step "event_id=home-$run duplicate=false, true"

step=bad_request
send 400 /event "{\"event_type\": \"product_view\", \"customer_id\": \"$customer\", \"product_id\": \"$chosen\",
    \"duration_seconds\": -1}"
report $step "code=$(first code) reason=$(first reason) field=$(first field)"

step=profile
call 200 "/v1/customers/$customer/profile"
texts product_id | grep -qxF "$chosen" || fail "expected $chosen in the profile, got $(cat "$work/answer")"
report $step "products=$(texts product_id | sort -u | tr '\n' ' ')"

step=similar_products
call 200 "/v1/products/$chosen/similarProducts?limit=5"
[ -n "$(first product_id)" ] || fail "expected similar products, got none"
report $step "product_id=$chosen similar=$(texts product_id | tr '\n' ' ')"

step=delete_products
for number in 0 1 2; do
    call 200 "/v1/products/$customer-$number" --request DELETE
    holds '"deleted":true' || fail "expected $customer-$number deleted, got $(cat "$work/answer")"
done
report $step "deleted=3"

step=delete_customer
call 200 "/v1/customers/$customer" --request DELETE
[ -n "$(first receipt_id)" ] || fail "expected a receipt, got $(cat "$work/answer")"
report $step "receipt_id=$(first receipt_id)"

step=profile_gone
call 404 "/v1/customers/$customer/profile"
report $step "code=$(first code)"
