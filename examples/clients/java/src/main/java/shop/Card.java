package shop;

import com.google.gson.annotations.SerializedName;
import com.quintetrecommendations.quintet.type.v1.Money;
import com.quintetrecommendations.quintet.type.v1.Recommendation;
import java.util.Locale;

/** What a product card on a page needs. */
record Card(
        @SerializedName("recommendation_id") String recommendationId,
        @SerializedName("product_id") String productId,
        @SerializedName("product_name") String productName,
        String price,
        String algorithm,
        double score,
        String reason) {

    static Card of(Recommendation item) {
        return new Card(
                item.getRecommendationId(),
                item.getProductId(),
                item.getProductName(),
                item.hasPrice() ? money(item.getPrice()) : "",
                item.getAlgorithm(),
                rounded(item.getScore()),
                item.getReason().getText());
    }

    /** Return an amount for people. Two decimals suit most currencies; a shop that sells in JPY or KWD asks ISO 4217. */
    static String money(Money amount) {
        return String.format(Locale.ROOT, "%.2f %s", amount.getAmountMinor() / 100.0, amount.getCurrencyCode());
    }

    /** Return a share or score with three decimals. */
    static double rounded(double value) {
        return Math.round(value * 1000) / 1000.0;
    }
}
