package shop;

import static shop.Checks.check;
import static shop.Report.fields;

import com.quintetrecommendations.quintet.coordinator.v1.CoordinatorServiceGrpc.CoordinatorServiceBlockingV2Stub;
import com.quintetrecommendations.quintet.coordinator.v1.DeleteProductRequest;
import com.quintetrecommendations.quintet.coordinator.v1.GetProductRequest;
import com.quintetrecommendations.quintet.coordinator.v1.ImportProductsRequest;
import com.quintetrecommendations.quintet.coordinator.v1.UpdatePricesRequest;
import com.quintetrecommendations.quintet.type.v1.Money;
import com.quintetrecommendations.quintet.type.v1.PriceUpdate;
import com.quintetrecommendations.quintet.type.v1.Product;
import io.grpc.StatusException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The platform's side of the journey: a few products of its own, a new price for one of them, and their removal. They are of
 * a brand that nobody else has, so that a run meets neither the shop's own nor those of another run.
 */
final class Catalogue {

    private static final List<String> NAMES = List.of("Example espresso", "Example filter coffee", "Example decaf");
    private static final long OLD_PRICE = 899;
    private static final long NEW_PRICE = 449;

    /** Above the new price and below the old one, in whole units of the currency, as filters have it. */
    private static final String AFFORDABLE = "5.00";

    private final CoordinatorServiceBlockingV2Stub stub;
    private final String brand;
    private final List<String> ids;

    Catalogue(CoordinatorServiceBlockingV2Stub stub) {
        this.stub = stub;
        String run = Journey.newId().substring(0, 12);
        brand = "Example " + run;
        ids = IntStream.range(0, NAMES.size()).mapToObj(number -> "example-java-%s-%d".formatted(run, number)).toList();
    }

    List<String> ids() {
        return ids;
    }

    /** Return a filter expression that holds for the product with the new price alone. */
    String affordable() {
        return "brand = \"%s\" AND price < %s".formatted(brand, AFFORDABLE);
    }

    /** Send the products as a stream, which takes a catalogue of any size; sending it again does no harm. */
    Map<String, Object> importProducts() throws StatusException, InterruptedException {
        var call = stub.importProducts();
        for (int i = 0; i < ids.size(); i++) {
            Product.Builder product = Product.newBuilder()
                    .setProductId(ids.get(i)).setName(NAMES.get(i)).setCategory("Coffee").setBrand(brand).setPrice(usd(OLD_PRICE));
            call.write(ImportProductsRequest.newBuilder().setProduct(product).build());
        }
        call.halfClose();
        var answer = call.read();
        check(answer != null && answer.getCreated() == ids.size(), "%d new products, got %s", ids.size(), answer);
        return fields("product_ids", ids, "created", answer.getCreated(), "rejected", answer.getRejected());
    }

    /** Change a price alone; what is stored of the product otherwise stays. */
    Map<String, Object> changePrice() throws StatusException {
        String id = ids.get(0);
        PriceUpdate.Builder update = PriceUpdate.newBuilder().setProductId(id).setPrice(usd(NEW_PRICE));
        stub.updatePrices(UpdatePricesRequest.newBuilder().addUpdates(update).build());
        Product stored = stub.getProduct(GetProductRequest.newBuilder().setProductId(id).build()).getProduct();
        long price = stored.getPrice().getAmountMinor();
        check(stored.getName().equals(NAMES.get(0)) && price == NEW_PRICE,
                "%s at %d, got %s at %d", NAMES.get(0), NEW_PRICE, stored.getName(), price);
        return fields("product_id", id, "amount_minor", price);
    }

    Map<String, Object> deleteProducts() throws StatusException {
        List<Boolean> deleted = new ArrayList<>();
        for (String id : ids) {
            deleted.add(stub.deleteProduct(DeleteProductRequest.newBuilder().setProductId(id).build()).getDeleted());
        }
        check(!deleted.contains(false), "each product deleted, got %s", deleted);
        return fields("deleted", deleted);
    }

    static Money usd(long amountMinor) {
        return Money.newBuilder().setCurrencyCode("USD").setAmountMinor(amountMinor).build();
    }
}
