import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Publishes each line of standard input, `KEY VALUE-IN-BASE64`, to the topic, with further properties of the producer.
 * Run from source: java -cp … Produce.java BROKER TOPIC [NAME=VALUE]…
 */
public class Produce {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    properties.put("acks", "all");
    for (int i = 2; i < args.length; i++) {
      int equals = args[i].indexOf('=');
      properties.put(args[i].substring(0, equals), args[i].substring(equals + 1));
    }
    List<Future<?>> sent = new ArrayList<>();
    try (KafkaProducer<String, byte[]> producer =
            new KafkaProducer<>(properties, new StringSerializer(), new ByteArraySerializer());
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        int space = line.indexOf(' ');
        byte[] value = Base64.getDecoder().decode(line.substring(space + 1));
        sent.add(producer.send(new ProducerRecord<>(args[1], line.substring(0, space), value)));
      }
      producer.flush();
      for (Future<?> each : sent) each.get();
    }
  }
}
