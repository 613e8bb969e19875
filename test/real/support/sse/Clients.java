import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.regex.Pattern;

/** As clients.py, by either of the JDK's own clients. */
class Clients {
  public static void main(String[] args) throws Exception {
    URI url = URI.create(args[1]);
    InputStream body = args[0].equals("HttpClient") ? httpClient(url) : ((HttpURLConnection) url.toURL().openConnection()).getInputStream();
    System.out.println("open");
    Pattern number = Pattern.compile("^data: .*\"n\":(\\d+)");
    BufferedReader lines = new BufferedReader(new InputStreamReader(body, "UTF-8"));
    for (String line; (line = lines.readLine()) != null;) {
      var found = number.matcher(line);
      if (found.find()) System.out.println(found.group(1));
    }
  }

  static InputStream httpClient(URI url) throws Exception {
    return HttpClient.newHttpClient().send(HttpRequest.newBuilder(url).build(), BodyHandlers.ofInputStream()).body();
  }
}
